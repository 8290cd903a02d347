"""Rate limits, counted once for every door: what is posted to the API and from a page draws on the same budget."""

from __future__ import annotations

from flask_limiter.util import get_remote_address

from app.auth import door
from app.auth.errors import AuthError
from app.extensions import limiter, settings


def _poster() -> str:
    """Whoever posts, by whichever key or browser. Somebody the door will turn away counts by address."""
    try:
        return str(door.who().user_id)
    except AuthError:
        return get_remote_address()


posts = limiter.shared_limit(lambda: f"{settings().posts_per_minute}/minute", scope="posts", key_func=_poster)
sign_ins = limiter.shared_limit(lambda: f"{settings().sign_ins_per_minute}/minute", scope="sign-ins")
