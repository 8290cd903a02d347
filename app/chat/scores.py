"""What the attempts at a reply before this one have left: its text, and the score of what was told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.chat import snapshots
from app.database import reading
from app.models import Job, Message, Status
from app.stream.score import Score


def first_number(parameters: Mapping[str, Any]) -> int:
    """The number of a reply's first event from its worker: before it comes that it was created, and, where nobody
    waits for it, that it was queued."""
    return 2 if parameters.get("background", True) else 1


def is_whole(status: Status, finish_reason: str | None) -> bool:
    """Whether nothing is missing of a reply that ended so."""
    return status is Status.COMPLETED and finish_reason != "length"


@dataclass(frozen=True, slots=True)
class Left:
    """`text` is all that is known of the last attempt's; `score` goes on above whatever that one may have told."""

    text: str
    score: Score


def left(job_id: UUID) -> Left:
    """What row and log have of a job that nobody works on now, or that was claimed again."""
    with reading() as session:
        thread_id = session.scalars(select(Job.thread_id).where(Job.id == job_id)).one()
    tail = snapshots.tail(str(thread_id))
    with reading() as session:
        row = session.execute(
            select(Job.checkpoint, Job.lost, Job.score, Job.attempt, Message.id, Message.parameters)
            .join(Message, Message.job_id == Job.id)
            .where(Job.id == job_id)
        ).one()
    score = Score(first_number(row.parameters), row.score, row.checkpoint + row.lost)
    if row.attempt:
        score.resume(entry for entry in tail.entries if entry.message_id == str(row.id))
    return Left(tail.lengthen(row.checkpoint, row.attempt, str(row.id)), score)
