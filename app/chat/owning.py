"""The owner checks, made by the queries themselves: somebody else's object is as good as none."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, select
from sqlalchemy.orm import Session

from app.chat.errors import NotFound
from app.models import Message, Thread


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
