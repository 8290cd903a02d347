"""A message that comes while earlier replies of its branch are unfinished: what becomes of those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.chat import pairing
from app.chat.errors import ThreadBusy
from app.chat.reading import ancestors
from app.jobs import lifecycle
from app.models import ACTIVE, Job, Message

Busy = Literal["enqueue", "reject", "interrupt", "rollback", "steer"]

# Whose replies are looked for above the end of a branch; far more than anybody leaves unfinished.
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A reply that has not ended; `cancelled` is true where somebody wishes it to."""

    message_id: UUID
    question_id: UUID | None
    job_id: UUID
    cancelled: bool


def unfinished(session: Session, thread_id: UUID, leaf: UUID | None) -> list[Unfinished]:
    """The unfinished replies of the branch that ends in `leaf`, from the first on, which is the one being written."""
    found = session.execute(
        select(Message.id, Message.parent_id, Message.job_id, Job.cancel_requested_at)
        .join(Job, Job.id == Message.job_id)
        .where(Job.thread_id == thread_id, Job.status.in_(ACTIVE))
    ).all()
    if not found:
        return []
    place = {id_: number for number, id_ in enumerate(ancestors(session, leaf, _MOST))}
    on_path = sorted((row for row in found if row.id in place), key=lambda row: place[row.id], reverse=True)
    return [Unfinished(row.id, row.parent_id, row.job_id, row.cancel_requested_at is not None) for row in on_path]


def make_way(session: Session, thread_id: UUID, leaf: UUID | None, busy: Busy) -> UUID | None:
    """Where a new message goes in the branch that ends in `leaf`; the thread's row is locked.

    "interrupt" and "rollback" note in the rows that what is unfinished shall be cancelled; after the commit
    `cancelling.carry_out` does it. Raises ThreadBusy for "reject".
    """
    if busy == "enqueue":
        return leaf
    found = unfinished(session, thread_id, leaf)
    if found and busy == "reject":
        raise ThreadBusy
    if busy not in {"interrupt", "rollback"}:
        return leaf
    cancelled = [each for each in found if lifecycle.request_cancel(session, each.job_id) or each.cancelled]
    return _before(session, cancelled) if cancelled and busy == "rollback" else leaf


def _before(session: Session, cancelled: list[Unfinished]) -> UUID | None:
    """The place above the oldest cancelled pair. What steers one of them leaves the path with it, unanswered."""
    jobs = [each.job_id for each in cancelled]
    session.execute(update(Message).where(Message.steers_job_id.in_(jobs)).values(steers_job_id=None))
    return pairing.reply_above(session, cancelled[0].question_id)
