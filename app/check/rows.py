"""Every message and its job, page by page, against what rows alone can tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, null, select
from sqlalchemy.orm import Session, aliased

from app.chat.steps import MODEL
from app.database import reading
from app.models import ACTIVE, TERMINAL, Attempt, Job, Message, Status, Step, Thread, WorkerLease

_PAGE = 500

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Claimed:
    """One row of `attempts`."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Stepped:
    """One row of `steps`; `length` is that of what a model wrote in it. What a person said is none of the model's."""

    number: int
    attempt: int
    completed_at: datetime
    length: int
    by_model: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A message with what stands beside it: its thread, parent and job, and the job whose reply it comes after. An
    empty one neither says nor calls anything.

    `before_…` is the nearest reply above it, `after_…` the job that its own job waits for; that job is over once it has
    ended and so has, where it never began, the one that it waited for itself. `keeps_settled`: its text begins with
    that of its committed steps. `steers_job_id` is the job of a reply that shall read it.
    """

    id: UUID
    role: str
    thread_id: UUID
    user_id: UUID
    owner_id: UUID
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    steers_job_id: UUID | None
    required_action: Mapping[str, Any] | None
    finish_reason: str | None
    has_error: bool
    is_empty: bool
    parent_thread_id: UUID | None
    parent_created_at: datetime | None
    parent_job_id: UUID | None
    parent_job_finished_at: datetime | None
    before_id: UUID | None
    before_finished_at: datetime | None
    job_id: UUID | None
    job_thread_id: UUID | None
    status: Status | None
    attempt: int | None
    crashes: int | None
    waits: int | None
    lease_id: UUID | None
    lease_expires_at: datetime | None
    has_checkpoint: bool | None
    keeps_settled: bool | None
    steers: int | None
    action_id: UUID | None
    action_expires_at: datetime | None
    publishes: int | None
    next_publish_at: datetime | None
    started_at: datetime | None
    wake_at: datetime | None
    deadline_at: datetime | None
    cancel_requested_at: datetime | None
    finished_at: datetime | None
    announced_at: datetime | None
    after_id: UUID | None
    after_thread_id: UUID | None
    after_finished_at: datetime | None
    attempts: tuple[Claimed, ...] = ()
    steps: tuple[Stepped, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether its job is in a terminal state."""
        return self.status in TERMINAL

    @property
    def blocked(self) -> bool:
        """Whether the job it waits for still runs."""
        return self.after_id is not None and self.after_finished_at is None


def pages(progress: Progress) -> Iterator[list[Row]]:
    """All messages, oldest first; each page is one state of the database."""
    total = _count()
    after, seen = UUID(int=0), 0
    while page := _page(after):
        after, seen = page[-1].id, seen + len(page)
        progress("messages", seen, max(total, seen))
        yield page


def orphans() -> list[tuple[UUID, Status]]:
    """Active jobs that write no message."""
    writes = exists().where(Message.job_id == Job.id)
    with reading() as session:
        rows = session.execute(select(Job.id, Job.status).where(Job.status.in_(ACTIVE), ~writes))
        return [(row.id, row.status) for row in rows]


def _count() -> int:
    with reading() as session:
        return session.scalars(select(func.count()).select_from(Message)).one()


def _page(after: UUID) -> list[Row]:
    with reading() as session:
        found = [dict(row._mapping) for row in session.execute(_statement(after))]
        job_ids = [row["job_id"] for row in found if row["job_id"] is not None]
        attempts, steps = attempts_of(session, job_ids), steps_of(session, job_ids)
    return [Row(**row, attempts=attempts[row["job_id"]], steps=steps[row["job_id"]]) for row in found]


def _statement(after: UUID) -> Select[*tuple[Any, ...]]:
    parent, parent_job, before_job, waits_for = aliased(Message), aliased(Job), aliased(Job), aliased(Job)
    columns = [
        *(Message.id, Message.role, Message.thread_id, Message.user_id, Thread.user_id.label("owner_id")),
        *(Message.created_at, Message.updated_at, Message.completed_at, Message.finish_reason),
        *(Message.steers_job_id, Message.required_action),
        Message.error.is_not(null()).label("has_error"),
        and_(Message.content == "", Message.calls.is_(null())).label("is_empty"),
        parent.thread_id.label("parent_thread_id"),
        parent.created_at.label("parent_created_at"),
        parent_job.id.label("parent_job_id"),
        parent_job.finished_at.label("parent_job_finished_at"),
        before_job.id.label("before_id"),
        before_job.finished_at.label("before_finished_at"),
        *(Job.id.label("job_id"), Job.thread_id.label("job_thread_id"), Job.status, Job.attempt, Job.crashes),
        *(Job.waits, Job.lease_id, WorkerLease.expires_at.label("lease_expires_at")),
        (Job.checkpoint != "").label("has_checkpoint"),
        _keeps_settled().label("keeps_settled"),
        *(Job.steers, Job.action_id, Job.action_expires_at, Job.publishes),
        *(Job.next_publish_at, Job.started_at, Job.wake_at, Job.deadline_at, Job.cancel_requested_at),
        *(Job.finished_at, Job.announced_at, Job.after_id),
        waits_for.thread_id.label("after_thread_id"),
        _over(Job).label("after_finished_at"),
    ]
    return (
        select(*columns)
        .join(Thread, Thread.id == Message.thread_id)
        .outerjoin(Job, Job.id == Message.job_id)
        .outerjoin(WorkerLease, WorkerLease.id == Job.lease_id)
        .outerjoin(waits_for, waits_for.id == Job.after_id)
        .outerjoin(parent, parent.id == Message.parent_id)
        .outerjoin(parent_job, parent_job.id == parent.job_id)
        .outerjoin(before_job, before_job.id == _above())
        .where(Message.id > after)
        .order_by(Message.id)
        .limit(_PAGE)
    )


def _keeps_settled() -> ColumnElement[bool]:
    """Null where there is no job."""
    whole = case((Job.status.in_(TERMINAL), Message.content), else_=Job.checkpoint)
    return func.substr(whole, 1, func.length(Job.settled)) == Job.settled


def _above() -> ColumnElement[UUID | None]:
    """The job of the nearest reply above: users, or whoever puts items in, may have written several in a row."""
    nearest, farther = aliased(Message), aliased(Message)
    up = (
        select(nearest.parent_id, nearest.job_id)
        .where(nearest.id == Message.parent_id)
        .correlate(Message)
        .cte("up", recursive=True, nesting=True)
    )
    above = select(farther.parent_id, farther.job_id)
    up = up.union_all(above.where(farther.id == up.c.parent_id, up.c.job_id.is_(None)))
    return select(up.c.job_id).where(up.c.job_id.is_not(None)).scalar_subquery()


def _over(job: type[Job]) -> ColumnElement[datetime | None]:
    """When the last of those that a job waits for ended; null while one has not."""
    nearest, farther = aliased(Job), aliased(Job)
    chain = (
        select(nearest.finished_at, nearest.started_at, nearest.after_id)
        .where(nearest.id == job.after_id)
        .correlate(job)
        .cte("chain", recursive=True, nesting=True)
    )
    chain = chain.union_all(
        select(farther.finished_at, farther.started_at, farther.after_id).where(
            farther.id == chain.c.after_id, chain.c.started_at.is_(None)
        )
    )
    all_ended = func.count() == func.count(chain.c.finished_at)
    return select(case((all_ended, func.max(chain.c.finished_at)))).scalar_subquery()


def attempts_of(session: Session, job_ids: Sequence[UUID]) -> Mapping[UUID | None, tuple[Claimed, ...]]:
    """The claims of each job, in order."""
    columns = (Attempt.job_id, Attempt.number, Attempt.started_at, Attempt.ended_at, Attempt.outcome)
    statement = select(*columns).where(Attempt.job_id.in_(job_ids)).order_by(Attempt.job_id, Attempt.number)
    found: defaultdict[UUID | None, tuple[Claimed, ...]] = defaultdict(tuple)
    for row in session.execute(statement):
        found[row.job_id] += (Claimed(row.number, row.started_at, row.ended_at, row.outcome),)
    return found


def steps_of(session: Session, job_ids: Sequence[UUID]) -> Mapping[UUID | None, tuple[Stepped, ...]]:
    """The steps of each job, in order."""
    by_model = Step.kind == MODEL
    length = case((by_model, func.length(Step.text)), else_=0).label("length")
    columns = (Step.job_id, Step.number, Step.attempt, Step.completed_at, length, by_model.label("by_model"))
    found: defaultdict[UUID | None, tuple[Stepped, ...]] = defaultdict(tuple)
    for row in session.execute(select(*columns).where(Step.job_id.in_(job_ids)).order_by(Step.number)):
        found[row.job_id] += (Stepped(row.number, row.attempt, row.completed_at, row.length, row.by_model),)
    return found
