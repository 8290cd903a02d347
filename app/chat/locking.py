"""The lock that orders what several people do to one thread: its row, taken before any job's and any message's."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.chat import owning
from app.chat.errors import NotFound
from app.models import Message, Thread


def thread(session: Session, user_id: UUID, thread_id: UUID) -> Thread:
    """The user's thread, locked until the transaction ends. Raises NotFound.

    SQLite needs no lock of a row: its transactions that write take turns.
    """
    locked = select(Thread).where(owning.owned(user_id, thread_id)).with_for_update(key_share=True)
    row = session.scalars(locked).one_or_none()
    if row is None:
        raise NotFound("thread")
    return row


def message(session: Session, user_id: UUID, message_id: UUID) -> tuple[Thread, Message]:
    """A message of the user's and its thread, which is locked: the message is as it stands under the lock.

    Raises NotFound.
    """
    # Only the column: an object read before the lock would be taken for the one read under it.
    mine = select(Thread.id).join(Message, Message.thread_id == Thread.id).where(Message.id == message_id)
    thread_id = session.scalars(mine.where(Thread.user_id == user_id, Thread.deleted_at.is_(None))).one_or_none()
    if thread_id is None:
        raise NotFound("message")
    locked = thread(session, user_id, thread_id)
    row = session.scalars(select(Message).where(Message.id == message_id)).one_or_none()
    if row is None:
        raise NotFound("message")
    return locked, row
