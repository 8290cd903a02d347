"""Errors as RFC 9457 problem+json, for everything that can go wrong."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Flask, Response, g, json
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from app.auth.errors import AuthError
from app.chat.errors import ChatError, InvalidField
from app.chat.idempotency import Answer, Repeated

log = structlog.get_logger(__name__)

_STATUS = {
    "unauthenticated": 401,
    "insufficient_credits": 402,
    "forbidden": 403,
    "signup_closed": 403,
    "not_found": 404,
    "email_taken": 409,
    "thread_busy": 409,
    "action_resolved": 409,
    "already_started": 409,
    "not_continuable": 409,
    "not_waiting": 409,
    "gone": 410,
    "validation_error": 422,
    "idempotency_key_reused": 422,
}
_TITLES = {
    400: "Malformed request",
    401: "Not signed in",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Gone",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid input",
    426: "Upgrade required",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}
_CODES = {
    400: "malformed_json",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
    426: "upgrade_required",
    429: "rate_limited",
}
_RETRY_SECONDS = "2"
# A database that is locked or away.
UNAVAILABLE = (OperationalError, InterfaceError, PoolTimeout)
# An unknown member's name is the sender's, and may be as long as a body.
_FIELD_CHARS = 200


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(BaseModel):
    """The body of every error. `detail` says what to do; `request_id` finds it in the logs."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    errors: list[FieldError] | None = None


def problem(status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None) -> Response:
    """The answer for one error."""
    body: dict[str, Any] = {
        "type": f"urn:holdfast:problem:{code}",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": g.get("request_id"),
    }
    if errors is not None:
        body["errors"] = errors
    return Response(json.dumps(body), status, content_type="application/problem+json")


def invalid(error: ValidationError) -> Response:
    """The answer to input that does not have the described shape; names every field, repeats no value."""
    errors = _wrong_fields(error)
    return problem(422, "validation_error", _joined(errors), errors)


def of_chat(error: ChatError) -> Response:
    """The answer to what a use case refused."""
    errors = [{"field": error.field, "message": str(error)}] if isinstance(error, InvalidField) else None
    return problem(_STATUS.get(error.code, 422), error.code, sentence(error), errors)


def sentence(error: ValidationError | ChatError) -> str:
    """One line that says what is wrong."""
    if isinstance(error, ValidationError):
        return _joined(_wrong_fields(error))
    return f"{error.field}: {error}" if isinstance(error, InvalidField) else str(error)


def of_auth(error: AuthError) -> Response:
    """The answer to who may not come in."""
    response = problem(_STATUS[error.code], error.code, str(error))
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def of_http(error: HTTPException) -> Response:
    """The answer to what Flask itself refused, with the headers it wanted to send."""
    status = error.code or 500
    detail = error.description or _TITLES.get(status, "Error")
    if status == 429:
        detail = f"More than {detail}; send it again after the seconds in Retry-After."
    response = problem(status, _CODES.get(status, "invalid"), detail)
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def unavailable(error: Exception) -> Response:
    """The database is locked or away: nothing was stored, and the same request may be sent again."""
    log.warning("database unavailable", error=type(error).__name__)
    response = problem(503, "unavailable", "The database is busy; nothing was stored. Send the same request again.")
    response.headers["Retry-After"] = _RETRY_SECONDS
    return response


def repeated(answer: Answer) -> Response:
    """The first answer again."""
    response = Response(answer.body, answer.status, content_type="application/json")
    if answer.location is not None:
        response.headers["Location"] = answer.location
    response.headers["Idempotent-Replayed"] = "true"
    return response


def init_app(app: Flask) -> None:
    """Register the answers. Pages have their own (app/web); this is everybody else's."""
    app.register_error_handler(ChatError, of_chat)
    app.register_error_handler(AuthError, of_auth)
    app.register_error_handler(Repeated, lambda error: repeated(error.answer))
    app.register_error_handler(HTTPException, of_http)
    for kind in UNAVAILABLE:
        app.register_error_handler(kind, unavailable)
    app.register_error_handler(Exception, _unexpected)


def _unexpected(error: Exception) -> Response:
    log.error("request failed unexpectedly", exc_info=error)
    return problem(500, "internal_error", "Holdfast failed to answer; the log has this request_id.")


def _wrong_fields(error: ValidationError) -> list[dict[str, str]]:
    return [
        {
            "field": ".".join(str(part) for part in item["loc"])[:_FIELD_CHARS] or "body",
            "message": item["msg"].removeprefix("Value error, "),
        }
        for item in error.errors(include_input=False, include_url=False, include_context=False)
    ]


def _joined(errors: list[dict[str, str]]) -> str:
    return "; ".join(f"{item['field']}: {item['message']}" for item in errors[:3])
