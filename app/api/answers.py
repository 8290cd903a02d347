"""How objects become responses, and how a request names the key that makes it repeatable."""

from __future__ import annotations

from hashlib import sha256
from typing import TypeVar
from uuid import UUID

from flask import Response, g, request
from pydantic import BaseModel

from app.api.fields import Repeatable
from app.chat.idempotency import Answer, Once
from app.chat.objects import Sent
from app.chat.paging import Page
from app.chat.sending import Origin

T = TypeVar("T", bound=BaseModel)


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


def empty() -> Response:
    """204: done, and nothing to say, so nothing that has a type."""
    response = Response(status=204)
    del response.headers["Content-Type"]
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


def origin(user_id: UUID, header: Repeatable) -> Origin:
    """The request as a use case is told of it whose answer is `accepted`."""
    return Origin(request_id=g.get("request_id"), once=once(user_id, header), render=accepted)


def once(user_id: UUID, header: Repeatable) -> Once | None:
    """The request's Idempotency-Key, if it has one, with what it stands for: the path and the body."""
    if header.idempotency_key is None:
        return None
    asked = request.path.encode() + b"\0" + request.get_data()
    return Once(user_id, header.idempotency_key, sha256(asked).hexdigest())
