"""What a person may do to a wait: end it, or stretch it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.chat import owning, reading, telling
from app.chat.errors import NotWaiting
from app.chat.objects import MessageObject
from app.clock import now
from app.database import transaction
from app.extensions import settings
from app.jobs import lifecycle
from app.models import TERMINAL, Job, Status


def wake(user_id: UUID, message_id: UUID) -> tuple[MessageObject, bool]:
    """Let a reply go on at once; returns it as it stands, and whether it was waiting until now.

    Raises NotFound, or NotWaiting for one that has ended and for what is no reply.
    """
    with transaction() as session:
        woken = lifecycle.hasten(session, _job_of(session, user_id, message_id))
    message = reading.get(user_id, message_id)
    if not woken and message.status in TERMINAL:
        raise NotWaiting
    if woken:
        telling.resumed(message)
    return message, woken


def snooze(user_id: UUID, message_id: UUID, seconds: float) -> MessageObject:
    """Let a reply wait `seconds` longer, but not beyond the longest wait from now, unless it waits longer already.

    Raises NotFound or NotWaiting.
    """
    with transaction() as session:
        job_id = _job_of(session, user_id, message_id)
        left = _seconds_left(session, job_id)
        stretched = max(left, min(left + seconds, settings().longest_wait_seconds))
        if not lifecycle.snooze(session, job_id, stretched):
            raise NotWaiting
    message = reading.get(user_id, message_id)
    if message.status is Status.WAITING:
        telling.waits(message, "It was asked to wait longer.")
    return message


def _job_of(session: Session, user_id: UUID, message_id: UUID) -> UUID:
    job_id = owning.message(session, user_id, message_id).job_id
    if job_id is None:
        raise NotWaiting
    return job_id


def _seconds_left(session: Session, job_id: UUID) -> float:
    """How long it would still wait; the job is locked, so that of two who stretch it at once neither is forgotten."""
    waiting = select(Job.wake_at, now().label("now")).where(Job.id == job_id, Job.status == Status.WAITING)
    row = session.execute(waiting.with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise NotWaiting
    left: float = (row.wake_at - row.now).total_seconds()
    return max(0.0, left)
