"""What tests of /v1's use cases ask for: items, and responses to them."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from app.chat import replying, responding
from app.chat.items import Given, GivenCall
from app.chat.objects import Sent
from app.chat.responding import Asked
from app.chat.workshop import Workshop
from app.database import reading, transaction
from app.models import Attachment, Job, Message, Thread
from tests.support import rows

WEATHER: dict[str, Any] = {
    "name": "weather",
    "description": "The weather in a place.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    "strict": None,
}
PNG = b"\x89PNG\r\n\x1a\n" + b"rest of an image"
PDF = b"%PDF-1.7\nrest of a document"


def url(content: bytes, media_type: str = "application/octet-stream") -> str:
    """A data: URL."""
    return f"data:{media_type};base64,{b64encode(content).decode()}"


def user(content: str, *attachments: Any) -> Given:
    return Given("user", content, attachments)


def assistant(content: str = "", **calls: str) -> Given:
    """`assistant(c1="weather")` has called a function."""
    made = (GivenCall(call_id, name, '{"place": "Bonn"}') for call_id, name in calls.items())
    return Given("assistant", content, calls=tuple(made))


def output(call_id: str, content: str) -> Given:
    return Given("tool", content, call_id=call_id)


def respond(user_id: UUID, *items: Given | str, parameters: dict[str, Any] | None = None, **more: Any) -> Sent:
    """A response to these items; our own tools are left out unless the parameters name some."""
    given = tuple(user(item) if isinstance(item, str) else item for item in items)
    asked = Asked(given, parameters={"tools": [], **(parameters or {})}, **more)
    return responding.respond(user_id, asked)


def offered(*functions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"parameters": {"functions": list(functions or (WEATHER,)), **more}}


def job_of(sent: Sent) -> UUID:
    assert sent.reply.job_id is not None
    return sent.reply.job_id


def written(workshop: Workshop, sent: Sent) -> Message:
    """The reply, after one wake-up."""
    replying.process_message(workshop, job_of(sent))
    return rows.reply_of(job_of(sent))


def message(id_: UUID) -> Message | None:
    with reading() as session:
        return session.get(Message, id_)


def set_message(id_: UUID, **values: Any) -> None:
    """Change a message's row."""
    with transaction() as session:
        session.execute(update(Message).where(Message.id == id_).values(**values))


def counts() -> list[int]:
    """How many threads, messages, jobs and attachments there are."""
    with reading() as session:
        tables = (Thread, Message, Job, Attachment)
        return [session.scalars(select(func.count()).select_from(table)).one() for table in tables]
