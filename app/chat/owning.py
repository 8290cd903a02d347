"""The owner checks, made by the queries themselves: somebody else's object is as good as none."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Connection, and_, bindparam, select
from sqlalchemy.orm import Session

from app.chat.errors import NotFound
from app.models import Job, Message, Status, Thread
from app.models.columns import table


def owned(user_id: UUID | BindParameter[UUID], thread_id: UUID | BindParameter[UUID]) -> ColumnElement[bool]:
    """True for the user's thread."""
    return and_(Thread.id == thread_id, Thread.user_id == user_id, Thread.deleted_at.is_(None))


# Built once: to build a statement costs more than to send it.
_THREAD = select(Thread).where(owned(bindparam("owner"), bindparam("thread")))
_MESSAGE = (
    select(Message)
    .join(Thread, Thread.id == Message.thread_id)
    .where(Message.id == bindparam("message"), Thread.user_id == bindparam("owner"), Thread.deleted_at.is_(None))
)
_message, _thread, _job = table(Message).c, table(Thread).c, table(Job).c
_PLACE = (
    select(_message.thread_id, _message.terminal_cursor, _job.status)
    .join_from(table(Message), table(Thread), _thread.id == _message.thread_id)
    .join(table(Job), _job.id == _message.job_id, isouter=True)
    .where(_message.id == bindparam("message"), _thread.user_id == bindparam("owner"), _thread.deleted_at.is_(None))
)


class Place(NamedTuple):
    """Where a message of the user's is followed: its thread, its last event's cursor, its job's status."""

    thread_id: UUID
    terminal_cursor: str | None
    status: Status | None


def place(connection: Connection, user_id: UUID, message_id: UUID) -> Place:
    """The place of a message of a thread of the user's. Raises NotFound."""
    row = connection.execute(_PLACE, {"owner": user_id, "message": message_id}).one_or_none()
    if row is None:
        raise NotFound("message")
    return Place(*row)


def thread(session: Session, user_id: UUID, thread_id: UUID) -> Thread:
    """The user's thread. Raises NotFound."""
    row = session.scalars(_THREAD, {"owner": user_id, "thread": thread_id}).one_or_none()
    if row is None:
        raise NotFound("thread")
    return row


def message(session: Session, user_id: UUID, message_id: UUID) -> Message:
    """The message of a thread of the user's. Raises NotFound."""
    row = session.scalars(_MESSAGE, {"owner": user_id, "message": message_id}).one_or_none()
    if row is None:
        raise NotFound("message")
    return row
