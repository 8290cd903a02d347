"""/theme: how pages look, kept in a cookie."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from app.extensions import settings
from app.web.visitor import THEME_COOKIE, THEMES, local, see

routes = Blueprint("themes", __name__)

_YEAR_SECONDS = 365 * 86_400


@routes.post("/theme")
def choose() -> ResponseReturnValue:
    """Show pages like this from now on. It changes nothing of an account, so it needs no token."""
    wanted, response = request.form.get("theme", ""), see(local(request.form.get("next")))
    if wanted in THEMES:
        secure = settings().secure_cookies
        response.set_cookie(THEME_COOKIE, wanted, max_age=_YEAR_SECONDS, secure=secure, httponly=True, samesite="Lax")
    return response
