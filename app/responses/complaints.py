"""Errors in OpenAI's shape, by which their SDK chooses the exception it raises."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Blueprint, Flask, Response, json, request
from pydantic import ValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from app.auth.errors import AuthError, Unauthenticated
from app.chat.errors import ChatError, InvalidField
from app.chat.idempotency import Answer, Repeated

log = structlog.get_logger(__name__)

INVALID = "invalid_request_error"
SERVER = "server_error"
_TYPES = {429: "rate_limit_error", 500: SERVER, 503: SERVER}
_CODES = {429: "rate_limit_exceeded", 500: "internal_error", 503: "unavailable"}
_STATUS = {
    "not_found": 404,
    "insufficient_credits": 402,
    "thread_busy": 409,
    "already_started": 409,
    "action_resolved": 409,
    "idempotency_key_reused": 422,
    "gone": 410,
}
_RETRY_SECONDS = "1"
_FIELD_CHARS = 200


class Complaint(Exception):
    """A request that is refused: the `status`, and what OpenAI's error object says."""

    final = False  # whether the same request would be answered alike

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code

    @property
    def error(self) -> dict[str, Any]:
        """The error object."""
        return {
            "message": str(self),
            "type": _TYPES.get(self.status, INVALID),
            "param": self.param,
            "code": self.code,
        }


class Interrupted(Complaint):
    """This process is ending, or access to the response has ended; writing it does not depend on that."""

    def __init__(self) -> None:
        super().__init__(
            "The connection ends before the response does: this server restarts, the response was deleted, or your key "
            "was revoked. Send the same request again, or retrieve the response by its id.",
            status=503,
            code="interrupted",
        )


def unsupported(param: str, why: str) -> Complaint:
    """A parameter or a value that would change the meaning of the request, and that we cannot follow."""
    return Complaint(f"'{param}' is not supported here: {why}", param=param, code="unsupported_parameter")


def invalid(error: ValidationError, within: str = "") -> Complaint:
    """Input without the described shape: names its first wrong field, which lies `within` another, and no value."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    param = _place(within, first["loc"])
    if first["type"] == "missing":
        return Complaint(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    if first["type"] == "extra_forbidden":
        return Complaint(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")
    message = first["msg"].removeprefix("Value error, ")
    return Complaint(f"Invalid '{param}': {message}", param=param, code="invalid_value")


def told(error: Exception) -> Complaint:
    """Whatever a request can fail with, as OpenAI's error. Unexpected errors are logged."""
    for kind, tell in _TELL:
        if isinstance(error, kind):
            told_of: Complaint = tell(error)
            return told_of
    log.error("request failed unexpectedly", exc_info=error)
    return Complaint("Holdfast failed to answer; its log has this request.", status=500, code="internal_error")


def init_app(app: Flask, surface: Blueprint) -> None:
    """Register the answers of `surface`, and one for addresses below it that nobody has."""
    surface.register_error_handler(Repeated, lambda error: repeated(error.answer))
    surface.register_error_handler(HTTPException, _of_http)
    surface.register_error_handler(Exception, _answer)
    app.before_request(_unrouted)


def repeated(answer: Answer) -> Response:
    """The first answer to a request with this Idempotency-Key, again."""
    response = Response(answer.body, answer.status, content_type="application/json")
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _answer(error: Exception) -> Response:
    complaint = told(error)
    response = Response(json.dumps({"error": complaint.error}), complaint.status, content_type="application/json")
    if complaint.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if complaint.status == 503:
        response.headers["Retry-After"] = _RETRY_SECONDS
    if complaint.final or complaint.status == 409:
        response.headers["x-should-retry"] = "false"  # their SDK takes any conflict for a short one
    return response


def _of_http(error: HTTPException) -> Response:
    """What Flask or the rate limiter refused, with the headers it wanted to send."""
    response = _answer(error)
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def _unrouted() -> Response | None:
    """An address without a route belongs to no blueprint, whose answer Flask would ask for."""
    error = request.routing_exception
    if error is None or isinstance(error, RequestRedirect) or not request.path.startswith("/v1/"):
        return None
    return _of_http(error)


def _http(error: HTTPException) -> Complaint:
    status = error.code or 500
    message = error.description or "The request was refused."
    if status == 404:
        message = f"Unknown address: {request.method} {request.path[:_FIELD_CHARS]}"
    if status == 429:
        message = f"Rate limit reached: more than {message}. Send it again after the seconds in Retry-After."
    return Complaint(message, status=status, code=_CODES.get(status))


def _place(within: str, loc: tuple[int | str, ...]) -> str:
    """A field as OpenAI writes it: `input[0].content`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return (within + text).removeprefix(".")[:_FIELD_CHARS] or "body"


def _chat(error: ChatError) -> Complaint:
    if isinstance(error, InvalidField):
        code = "model_not_found" if error.field == "model" else "invalid_value"
        return Complaint(f"Invalid '{error.field}': {error}", param=error.field, code=code)
    return Complaint(str(error), status=_STATUS.get(error.code, 400), code=error.code)


def _auth(error: AuthError) -> Complaint:
    if isinstance(error, Unauthenticated):
        return Complaint(str(error), status=401, code="invalid_api_key")
    return Complaint(str(error), status=403, code=error.code)


def _unavailable(error: Exception) -> Complaint:
    log.warning("database unavailable", error=type(error).__name__)
    return Complaint(
        "The database is busy; nothing was stored. Send the same request again.", status=503, code="unavailable"
    )


_TELL: tuple[tuple[Any, Any], ...] = (
    (Complaint, lambda error: error),
    (ValidationError, invalid),
    (ChatError, _chat),
    (AuthError, _auth),
    (HTTPException, _http),
    ((OperationalError, InterfaceError, PoolTimeout), _unavailable),
)
