"""What a page says when something goes wrong."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Flask, Response, current_app, g, request, url_for
from flask.typing import ResponseReturnValue
from jinja2 import Template
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from app.auth import door
from app.auth.errors import AuthError, Outdated, Unauthenticated
from app.chat.errors import ChatError, InvalidField, NotFound
from app.chat.idempotency import Repeated
from app.web.partial import is_partial
from app.web.visitor import see, theme

log = structlog.get_logger(__name__)

_FOR_PROGRAMS = {"api", "v1"}
_RETRY_SECONDS = "2"
_OUTDATED = "This page is older than your sign-in."
# The fields of all forms that somebody has thought about.
_WRITTEN = ("content", "instructions", "title")
# What somebody can do about it.
_TODO = {
    401: "Sign in, then send it again.",
    403: "Go back, reload the page, and try again.",
    404: "It may have been deleted, or it belongs to somebody else.",
    410: "It is gone for good.",
    413: "Send less at once; the message box takes a hundred thousand characters.",
    429: "Wait a minute, then try again.",
    500: "Try again; if it lasts, tell whoever runs this server.",
    503: "What was stored before is safe.",
}


def init_app(app: Flask, pages: Blueprint) -> None:
    """Register the answers of `pages`, and one for addresses that nobody has."""
    pages.register_error_handler(Unauthenticated, _sign_in)
    pages.register_error_handler(Outdated, lambda _: page(403, _OUTDATED, door.csrf_token()))
    pages.register_error_handler(AuthError, lambda error: page(403, str(error)))
    pages.register_error_handler(NotFound, lambda error: page(404, _said(error)))
    pages.register_error_handler(InvalidField, lambda error: page(422, f"{error.field}: {error}"))
    pages.register_error_handler(ChatError, lambda error: page(422, str(error)))
    pages.register_error_handler(Repeated, lambda error: see(error.answer.location))
    pages.register_error_handler(HTTPException, _refused)
    for kind in (OperationalError, InterfaceError, PoolTimeout):
        pages.register_error_handler(kind, _unavailable)
    pages.register_error_handler(Exception, _unexpected)
    app.before_request(_unrouted)


def page(status: int, detail: str, token: str | None = None) -> Response:
    """The page of one error, with what could not be posted, so that it is not lost; a script can go on with `token`.

    Rendered without the context of other pages: that asks the database, which may be what failed.
    """
    what = {"status": status, "phrase": HTTPStatus(status).phrase, "detail": detail, "todo": _TODO.get(status)}
    if is_partial():
        html = _template("_problem").render(**what, next=_origin(), token=token)
    else:
        html = _template("show").render(
            **what, kept=_kept(), next=_origin(), theme=theme(), request_id=g.get("request_id")
        )
    return Response(html, status, mimetype="text/html")


def _said(error: NotFound) -> str:
    """What programs are told, in the words of pages, where a thread is a chat."""
    return str(error).replace("thread", "chat")


def _template(name: str) -> Template:
    return current_app.jinja_env.get_template(f"errors/{name}.html")


def _kept() -> str:
    try:
        return next(filter(None, map(request.form.get, _WRITTEN)), "")
    except HTTPException:  # too large to be read at all
        return ""


def _sign_in(_: Unauthenticated) -> ResponseReturnValue:
    """Where to go on after signing in. A script is told so: its page stays, with what is typed there."""
    if is_partial() or request.endpoint == "web.streams.show":
        return page(401, "You are signed out. What you wrote is still here.")
    if request.method not in door.SAFE_METHODS:
        return page(401, "You are signed out.")
    return see(url_for("web.session.new", next=_origin()))


def _origin() -> str:
    """This page, or the one whose form was sent."""
    if request.method in door.SAFE_METHODS and not is_partial():
        return request.full_path.rstrip("?")
    sender, thread_id = urlsplit(request.referrer or ""), (request.view_args or {}).get("thread_id")
    if sender.netloc == request.host:
        return sender.path
    return url_for("web.threads.show", thread_id=thread_id) if thread_id else url_for("web.threads.index")


def _refused(error: HTTPException) -> Response:
    """What Flask or the rate limiter refused, with the headers it wanted to send."""
    detail = error.description or ""
    response = page(error.code or 500, f"More than {detail} is too much." if error.code == 429 else detail)
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def _unavailable(error: Exception) -> Response:
    log.warning("database unavailable", error=type(error).__name__)
    response = page(503, "The database is busy; nothing was stored. Try again in a moment.")
    response.headers["Retry-After"] = _RETRY_SECONDS
    return response


def _unexpected(error: Exception) -> Response:
    log.error("page failed unexpectedly", exc_info=error)
    return page(500, "Holdfast failed to answer; its log has this request under the id below.")


def _unrouted() -> Response | None:
    """The page for an address without a route: it belongs to no blueprint, whose answer Flask would ask for.

    Programs are left to the answer that everything else gets.
    """
    error = request.routing_exception
    if error is None or isinstance(error, RequestRedirect) or request.path.split("/")[1] in _FOR_PROGRAMS:
        return None
    accepted = request.accept_mimetypes
    prefers_html = accepted["text/html"] > accepted["application/json"]
    return _refused(error) if prefers_html else None
