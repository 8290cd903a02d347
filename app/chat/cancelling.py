"""Cancelling: durable first, then quick; it works on a reply in any state, whoever holds it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

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
    with reads() as session:
        job = session.execute(select(Job.status, Job.attempt).where(Job.id == job_id)).one()
    if job.status in UNOWNED:
        finishing.end_abandoned(Abandoned(job_id, job.attempt, "cancelled", orphaned=False))
    else:
        signals.send_cancel(redis(), str(job_id))
