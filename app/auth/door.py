"""The door of every request: finds its principal and keeps other sites' pages out."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import UUID

from flask import Flask, Request, g, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf

from app.auth import accounts, principal, sessions
from app.auth.errors import BadOrigin, Outdated, Unauthenticated
from app.auth.principal import Principal
from app.extensions import settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

login = LoginManager()
csrf = CSRFProtect()


class Cookies(SecureCookieSessionInterface):
    """Flask's sessions, but who brings no cookie does not pay for the means of reading one."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session that the request's cookie keeps, or a new one."""
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)


class SignedIn(UserMixin):  # type: ignore[misc]  # Flask-Login publishes no types
    """What Flask-Login keeps: the id of the sign-in, which its row must confirm at each request."""

    def __init__(self, who: Principal) -> None:
        self.id = str(who.credential_id)
        self.principal = who


def init_app(app: Flask) -> None:
    """Teach Flask-Login how a sign-in is looked up, and forms that a token belongs to them."""
    app.session_interface = Cookies()
    csrf.init_app(app)
    login.init_app(app)
    login.user_loader(_load)


def who() -> Principal:
    """The request's principal: by its Bearer key, else by its cookie. Raises Unauthenticated, BadOrigin or Outdated.

    A request with an Authorization header never falls back to the cookie. With the cookie, whatever changes state
    must carry the CSRF token.
    """
    if "principal" not in g:
        g.principal = _by_header() if "Authorization" in request.headers else _by_cookie()
    found: Principal = g.principal
    return found


def visitor() -> Principal | None:
    """The principal of a page's request, or None for somebody who is not signed in."""
    return current_user.principal if current_user.is_authenticated else None


def sign_in(email: str, password: str) -> UUID:
    """Check address and password and sign the browser in. Raises Unauthenticated or BadOrigin."""
    check_origin()
    user_id = accounts.by_password(email, password)
    begin(user_id)
    return user_id


def begin(user_id: UUID) -> None:
    """Sign the browser in as `user_id`."""
    session_id = sessions.begin(user_id, request.remote_addr, request.headers.get("User-Agent"))
    session.clear()  # a cookie planted beforehand would else bring a CSRF token that its planter knows
    session.permanent = True  # the cookie lasts as long as its row
    login_user(SignedIn(Principal(user_id, "session", session_id)))


def sign_out() -> None:
    """End the browser's sign-in, on the server too."""
    signed_in = visitor()
    if signed_in is not None:
        sessions.end(signed_in.credential_id)
    logout_user()


def csrf_token() -> str:
    """The token that a page or a script sends back as X-CSRFToken."""
    token: str = generate_csrf()
    return token


def check_origin() -> None:
    """Refuse a browser's request from another site's page. Raises BadOrigin."""
    origin = request.headers.get("Origin")
    if origin is not None and _host(origin) != request.host:
        raise BadOrigin("This request came from another site's page.")


def check_socket_origin() -> None:
    """The same for a WebSocket, which a browser opens to any host, with its cookie. Raises BadOrigin.

    Pages of CORS_ORIGINS may, with a key.
    """
    if "Authorization" not in request.headers or request.headers.get("Origin") not in settings().cors_origins:
        check_origin()


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # anybody can send anything
        return None


def _load(session_id: str) -> SignedIn | None:
    found = principal.by_session(session_id)
    return SignedIn(found) if found is not None else None


def _by_header() -> Principal:
    scheme, _, token = request.headers["Authorization"].partition(" ")
    found = principal.by_key(token.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        raise Unauthenticated("This API key is not valid; send Authorization: Bearer hf_… with one that is.")
    return found


def _by_cookie() -> Principal:
    found = visitor()
    if found is None:
        raise Unauthenticated("Sign in, or send Authorization: Bearer hf_… with an API key.")
    if request.method not in SAFE_METHODS:
        check_origin()
        try:
            csrf.protect()
        except CSRFError as error:
            raise Outdated(f"{error.description} Send X-CSRFToken with the token from GET /api/csrf.") from None
    return found
