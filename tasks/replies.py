"""Writing replies."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from flask import current_app
from sqlalchemy.exc import OperationalError

from app.chat import replying
from app.chat.workshop import Workshop


# No retry, no time limit: attempts, deadlines and recovery are the job row's; a wake-up may be lost or come twice. So a
# database that is away is worth a line in the log, not a traceback for each task.
@shared_task(name="tasks.process_message", max_retries=0, throws=(OperationalError,))
def process_message(job_id: str) -> None:
    """Write the reply of one job, if it is there to be claimed."""
    workshop: Workshop = current_app.extensions["workshop"]
    replying.process_message(workshop, UUID(job_id))
