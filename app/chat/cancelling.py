"""Cancelling: durable first, then quick; it works on a reply in any state, whoever holds it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, select

from app.chat import finishing, owning, reading
from app.chat.objects import MessageObject
from app.database import reading as reads
from app.database import transaction
from app.extensions import redis
from app.jobs import lifecycle
from app.jobs.reaper import Abandoned
from app.jobs.transitions import UNOWNED
from app.models import Job
from app.stream import signals


def cancel(user_id: UUID, message_id: UUID) -> MessageObject:
    """Cancel the reply and return it as it stands; one that has ended stays as it ended. Raises NotFound."""
    with reads() as session:
        job_id = owning.message(session, user_id, message_id).job_id
    if job_id is not None:
        cancel_job(job_id)
    return reading.get(user_id, message_id)


def cancel_job(job_id: UUID) -> None:
    """Note the wish in the row; end the job here if nobody works on it, else tell its worker."""
    with transaction() as session:
        lifecycle.request_cancel(session, job_id)
    _obey(Job.id == job_id)


def carry_out(thread_id: UUID) -> None:
    """The same for every reply of a thread of which the rows say already that it shall be cancelled."""
    _obey(Job.thread_id == thread_id)


def _obey(which: ColumnElement[bool]) -> None:
    """Quickly, what a heartbeat or a reaper would do a second later. What is queued ends before what it waits for."""
    asked = Job.cancel_requested_at.is_not(None) & Job.finished_at.is_(None)
    with reads() as session:
        jobs = session.execute(select(Job.id, Job.status, Job.attempt).where(which, asked).order_by(Job.id.desc()))
        found = jobs.all()
    for job in found:
        if job.status in UNOWNED:
            finishing.end_abandoned(Abandoned(job.id, job.attempt, "cancelled", orphaned=False))
        else:
            signals.send_cancel(redis(), str(job.id))
