"""What the database has of single messages, to compare with what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select

from app.database import reading
from app.ids import parse_id
from app.models import TERMINAL, Attempt, Job, Message, Status, Thread

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Ending:
    """How a reply ended, as far as that is final."""

    status: str
    content: str
    finish_reason: str | None

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Ending | None:
        """The ending in a message object; None while it runs."""
        if message.get("status") not in {status.value for status in TERMINAL}:
            return None
        return cls(message["status"], message.get("content", ""), message.get("finish_reason"))

    def unlike(self, other: Ending) -> str:
        """What is different about `other`, which must not be."""
        if self.status != other.status:
            return f"was {other.status}, is {self.status}"
        if self.finish_reason != other.finish_reason:
            return f"had finish_reason {other.finish_reason}, has {self.finish_reason}"
        return f"had another text ({len(other.content)} instead of {len(self.content)} code points)"


@dataclass(frozen=True, slots=True)
class Stored:
    """One message; `outcome` is how the last attempt of its job ended, `started_at` when its first began."""

    id: UUID
    thread_id: UUID
    owner_id: UUID
    parent_id: UUID | None
    role: str
    content: str
    finish_reason: str | None
    terminal_cursor: str | None
    created_at: datetime
    updated_at: datetime
    steers_job_id: UUID | None
    job_id: UUID | None
    status: Status | None
    attempt: int | None
    checkpoint: str | None
    settled: str | None
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    outcome: str | None

    @property
    def ending(self) -> Ending | None:
        """How it ended; None while it runs, and for what is no reply."""
        if self.status is None or self.status not in TERMINAL:
            return None
        return Ending(self.status.value, self.content, self.finish_reason)

    @property
    def ended_by_its_worker(self) -> bool:
        """Whether whoever wrote its last attempt also ended it, and so stored all that it had written."""
        return self.status is not None and self.outcome == self.status


def load(ids: Iterable[str]) -> dict[str, Stored]:
    """Those of `ids` that exist."""
    found: dict[str, Stored] = {}
    for batch in _batches(sorted(set(ids))):
        with reading() as session:
            rows = session.execute(
                select(
                    *(Message.id, Message.thread_id, Thread.user_id.label("owner_id"), Message.parent_id),
                    *(Message.role, Message.content, Message.finish_reason, Message.terminal_cursor),
                    *(Message.created_at, Message.updated_at, Message.steers_job_id),
                    *(Job.id.label("job_id"), Job.status, Job.attempt, Job.checkpoint, Job.settled, Job.started_at),
                    *(Job.finished_at, Job.cancel_requested_at, Attempt.outcome),
                )
                .join(Thread, Thread.id == Message.thread_id)
                .outerjoin(Job, Job.id == Message.job_id)
                .outerjoin(Attempt, and_(Attempt.job_id == Job.id, Attempt.number == Job.attempt))
                .where(Message.id.in_(batch))
            )
            found |= {str(row.id): Stored(**row._mapping) for row in rows}
    return found


def owners(thread_ids: Iterable[str]) -> dict[str, str]:
    """Whose each thread is, of those that exist."""
    found: dict[str, str] = {}
    for batch in _batches(sorted(set(thread_ids))):
        with reading() as session:
            rows = session.execute(select(Thread.id, Thread.user_id).where(Thread.id.in_(batch)))
            found |= {str(row.id): str(row.user_id) for row in rows}
    return found


def _batches(ids: Sequence[str]) -> Iterator[list[UUID]]:
    known = (id_ for id_ in map(parse_id, ids) if id_ is not None)
    while batch := list(islice(known, _BATCH)):
        yield batch
