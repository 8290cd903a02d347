"""Taking messages out of a thread for good, with their jobs and what was attached to them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from app.chat import attaching
from app.clock import now
from app.models import Job, Message, Thread


def cut(session: Session, thread: Thread, rows: Sequence[Message]) -> None:
    """Delete these messages, of which none is being written; what stood below one stands below what was above it.

    The thread's row is locked.
    """
    ending = thread.active_message_id
    for row in rows:
        below = update(Message).where(Message.parent_id == row.id)
        session.execute(below.values(parent_id=row.parent_id, updated_at=now()))
        session.execute(delete(Message).where(Message.id == row.id))
        if row.job_id is not None:
            session.execute(delete(Job).where(Job.id == row.job_id))
        ending = row.parent_id if ending == row.id else ending
    if ending != thread.active_message_id:
        session.execute(update(Thread).where(Thread.id == thread.id).values(active_message_id=ending))
    attaching.forget(session, thread.id, [row.attachments for row in rows])
