"""How objects become responses, and how a request names the key that makes it repeatable."""

from __future__ import annotations

from hashlib import sha256
from typing import TypeVar
from uuid import UUID

from flask import Response, request
from pydantic import BaseModel

from app.chat.errors import InvalidField
from app.chat.idempotency import Answer, Once
from app.chat.objects import Sent
from app.chat.paging import Page

T = TypeVar("T", bound=BaseModel)

_MAX_KEY_CHARS = 255


def respond(created: BaseModel, status: int = 200, location: str | None = None) -> Response:
    """`created` as the body, unwrapped."""
    return sent(answer(created, status, location))


def answer(created: BaseModel, status: int, location: str | None = None) -> Answer:
    """The same as a value that can be kept."""
    return Answer(status, location, created.model_dump_json().encode())


def sent(answer_: Answer) -> Response:
    """An answer as a response."""
    response = Response(answer_.body, answer_.status, content_type="application/json")
    if answer_.location is not None:
        response.headers["Location"] = answer_.location
    return response


def listing(page: Page[T]) -> Response:
    """A page of a list."""
    items = b",".join(item.model_dump_json().encode() for item in page.items)
    cursor = f'"{page.next_cursor}"' if page.next_cursor is not None else "null"
    return Response(
        b'{"data":[' + items + b'],"next_cursor":' + cursor.encode() + b"}", content_type="application/json"
    )


def accepted(result: Sent) -> Answer:
    """202 for a message, with where to poll its reply."""
    return answer(result, 202, f"/api/messages/{result.reply.id}")


def once(user_id: UUID) -> Once | None:
    """The request's Idempotency-Key, if it has one. Raises InvalidField."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not key or len(key) > _MAX_KEY_CHARS or not key.isprintable():
        raise InvalidField("Idempotency-Key", f"must be 1 to {_MAX_KEY_CHARS} printable characters")
    body = request.get_data()
    return Once(user_id, key, sha256(request.path.encode() + b"\0" + body).hexdigest())
