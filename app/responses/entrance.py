"""Who may come in under /v1, and what is read of a request before any route sees it."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID

from flask import Blueprint, g, request
from pydantic import BaseModel
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from app.auth import door
from app.auth.errors import Unauthenticated
from app.auth.principal import Principal
from app.chat.idempotency import Once
from app.responses.complaints import Complaint
from app.text import UncleanText, clean_all

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_KEY_CHARS = 255
# What a tool's schema or a deep input may take; more than that no model reads.
_DEEPEST = 64

B = TypeVar("B", bound=BaseModel)


def init_app(surface: Blueprint) -> None:
    """Look at who asks before anything they sent."""
    surface.before_request(_admit)
    surface.before_request(_read)


def who() -> Principal:
    """The owner of the request's Bearer key; cookies open nothing here. Raises Unauthenticated."""
    if "Authorization" not in request.headers:
        raise Unauthenticated("You did not provide an API key; send Authorization: Bearer hf_….")
    return door.who()


def body(shape: type[B]) -> B:
    """The request's JSON object as `shape`. Raises ValidationError."""
    return shape.model_validate(g.v1_body)


def query(shape: type[B]) -> B:
    """The request's query as `shape`; `name[]` is a list, of any other name that stands twice the first counts."""
    args = request.args
    given = {name: args[name] for name in args if not name.endswith("[]")}
    return shape.model_validate(given | {name[:-2]: args.getlist(name) for name in args if name.endswith("[]")})


def once(user_id: UUID) -> Once | None:
    """The request's Idempotency-Key, if it has one, with what it stands for. Raises Complaint."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 0 < len(key) <= _KEY_CHARS or not key.isprintable():
        raise Complaint("Idempotency-Key must be 1 to 255 printable characters.", param="Idempotency-Key")
    return Once(user_id, key, fingerprint())


def fingerprint() -> str:
    """What tells this request from others of the same key: the path and the body."""
    return digest(request.path.encode() + b"\0" + request.get_data())


def digest(known: bytes) -> str:
    """64 characters that stand for it."""
    return sha256(known).hexdigest()


def retried() -> bool:
    """Whether OpenAI's SDK says that it repeats a request whose answer it did not get."""
    count = request.headers.get("x-stainless-retry-count", "0")
    return count.isdecimal() and count.strip("0") != ""


def _admit() -> None:
    """A browser asks about OPTIONS without saying who it is."""
    if request.method != "OPTIONS":
        who()


def _read() -> None:
    """Refuse what is no JSON object: 413 by the size limit, 415, 400."""
    if request.method not in _WITH_BODY:
        return
    sent = request.get_data()
    if request.content_length is None and len(sent) == request.max_content_length:
        raise RequestEntityTooLarge  # one that does not tell its length is cut at the limit, without a word
    if sent and not request.is_json:
        raise UnsupportedMediaType("Send the body as application/json.")
    g.v1_body = cleaned(_json()) if sent else {}


def cleaned(value: Any) -> dict[str, Any]:
    """A JSON object without what no database or encoder can keep. Raises Complaint."""
    if not isinstance(value, dict):
        raise Complaint("The body must be a JSON object.")
    try:
        return dict(clean_all(value, _DEEPEST))
    except UncleanText as error:
        raise Complaint(f"The body {error}.") from None


def _json() -> Any:
    try:
        return request.get_json()
    except BadRequest:
        raise Complaint("We could not parse the JSON body of your request.") from None
