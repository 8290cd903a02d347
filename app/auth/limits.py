"""Rate limits, counted once for every door: what is posted to the API and from a page draws on the same budget."""

from __future__ import annotations

import math
import time
from uuid import UUID

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import parse
from redis.exceptions import RedisError
from werkzeug.exceptions import TooManyRequests

from app.auth import door
from app.auth.errors import AuthError
from app.extensions import settings

_POSTS = "posts"

limiter = Limiter(get_remote_address, headers_enabled=True, swallow_errors=True)


def init_app(app: Flask) -> None:
    """Count from now on."""
    limiter.init_app(app)


def _poster() -> str:
    """Whoever posts, by whichever key or browser. Somebody the door will turn away counts by address."""
    try:
        return str(door.who().user_id)
    except AuthError:
        return get_remote_address()


def _posts_a_minute() -> str:
    return f"{settings().posts_per_minute}/minute"


posts = limiter.shared_limit(_posts_a_minute, scope=_POSTS, key_func=_poster)
sign_ins = limiter.shared_limit(lambda: f"{settings().sign_ins_per_minute}/minute", scope="sign-ins")


def count_post(user_id: UUID) -> None:
    """Count a post that is no request of its own, but a message of an open WebSocket. Raises TooManyRequests.

    Like all limits it lets everybody through while Redis is away.
    """
    if not limiter.enabled:
        return
    limit, whose = parse(_posts_a_minute()), (str(user_id), _POSTS)
    try:
        if limiter.limiter.hit(limit, *whose):
            return
        seconds = math.ceil(limiter.limiter.get_window_stats(limit, *whose).reset_time - time.time())
    except RedisError:
        return
    raise TooManyRequests(str(limit), retry_after=max(1, seconds))
