"""The rows of tool calls, page by page, with the reply and the attempts they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, null, select
from sqlalchemy.orm import aliased

from app.check.rows import Claimed, Progress, attempts_of
from app.database import reading
from app.models import TERMINAL, Job, Message, Status, Step, ToolCall

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Called:
    """One tool call. `job_status` is None where the reply has lost its job; `is_newest`: no later step was stored.

    `functions` are those that came with the request for the reply.
    """

    id: UUID
    message_id: UUID
    name: str
    status: str
    attempt: int
    idempotent: bool
    started_at: datetime | None
    completed_at: datetime | None
    has_result: bool
    has_error: bool
    step_job_id: UUID
    step_attempt: int
    is_newest: bool
    job_id: UUID | None
    job_status: Status | None
    job_attempt: int | None
    cancel_requested_at: datetime | None
    functions: Sequence[Mapping[str, Any]] | None = None
    attempts: tuple[Claimed, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it has no outcome."""
        return self.status not in {"completed", "failed"}

    @property
    def is_over(self) -> bool:
        """Whether its reply has ended."""
        return self.job_status is None or self.job_status in TERMINAL

    @property
    def is_foreign(self) -> bool:
        """Whether it is for whoever asked for the reply to make."""
        return any(function["name"] == self.name for function in self.functions or ())

    @property
    def is_handed_out(self) -> bool:
        """Whether a complete reply has left it to them."""
        return self.is_foreign and self.status == "requires_action" and self.job_status is Status.COMPLETED

    @property
    def next_attempt_at(self) -> datetime | None:
        """When the attempt after the one that began it was claimed."""
        starts = (each.started_at for each in self.attempts if each.number == self.attempt + 1)
        return next(starts, None)


def pages(progress: Progress) -> Iterator[list[Called]]:
    """All of them, oldest first; each page is one state of the database."""
    after, seen = UUID(int=0), 0
    while page := _page(after):
        after, seen = page[-1].id, seen + len(page)
        progress("tool calls", seen, seen)
        yield page


def _page(after: UUID) -> list[Called]:
    with reading() as session:
        found = [dict(row._mapping) for row in session.execute(_statement(after))]
        attempts = attempts_of(session, [row["job_id"] for row in found if row["job_id"] is not None])
    return [Called(**row, attempts=attempts[row["job_id"]]) for row in found]


def _statement(after: UUID) -> Select[*tuple[Any, ...]]:
    later = aliased(Step)
    newest = select(func.max(later.number)).where(later.job_id == Step.job_id).correlate(Step).scalar_subquery()
    columns = [
        *(ToolCall.id, ToolCall.message_id, ToolCall.name, ToolCall.status, ToolCall.attempt, ToolCall.idempotent),
        *(ToolCall.started_at, ToolCall.completed_at),
        ToolCall.result.is_not(null()).label("has_result"),
        ToolCall.error.is_not(null()).label("has_error"),
        Step.job_id.label("step_job_id"),
        Step.attempt.label("step_attempt"),
        (Step.number == newest).label("is_newest"),
        Job.id.label("job_id"),
        Job.status.label("job_status"),
        Job.attempt.label("job_attempt"),
        Job.cancel_requested_at,
        Message.parameters["functions"].label("functions"),
    ]
    return (
        select(*columns)
        .join(Step, Step.id == ToolCall.step_id)
        .join(Message, Message.id == ToolCall.message_id)
        .outerjoin(Job, Job.id == Message.job_id)
        .where(ToolCall.id > after)
        .order_by(ToolCall.id)
        .limit(_PAGE)
    )
