"""Jobs: units of background work that survive whoever works on them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.clock import UtcDateTime, now
from app.extensions import Base
from app.models.columns import CreatedAt, Key, partial
from app.models.status import Status, status_type


class Job(Base):
    """One row, the truth about one piece of work; its id is the Celery task's id.

    `attempt` counts claims and only grows: it is the fencing token. `crashes` counts lapsed leases alone.
    `settled` is the text of its committed steps, which no attempt writes again; `checkpoint` is the whole text so far,
    empty once the job has ended. `score` is what the numbered events tell of that text and of all besides; it only
    grows. `lost` is the text of an earlier attempt that the score still has and `checkpoint` no longer. Both are read
    only where they are asked for. `action_id` is what a person is asked, in `requires_action`.
    A job does not start before `after_id` has ended, and whatever that one waits for.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        partial("ix_jobs_after_id", "after_id"),
        partial("ix_jobs_pending", "next_publish_at", "status = 'pending'"),
        partial("ix_jobs_waiting", "wake_at", "status = 'waiting'"),
        partial("ix_jobs_processing", "lease_id", "status = 'processing'"),
        partial("ix_jobs_asking", "action_expires_at", "status = 'requires_action'"),
        partial("ix_jobs_deadline", "deadline_at", "status IN ('pending', 'processing')"),
        partial("ix_jobs_unannounced", "finished_at", "finished_at IS NOT NULL AND announced_at IS NULL"),
        partial("ix_jobs_cancelling", "cancel_requested_at", "cancel_requested_at IS NOT NULL AND finished_at IS NULL"),
    )

    id: Mapped[Key]
    task: Mapped[str] = mapped_column(String(100))
    queue: Mapped[str] = mapped_column(String(40))
    thread_id: Mapped[UUID] = mapped_column(ForeignKey("threads.id", ondelete="CASCADE"), index=True)
    after_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    request_id: Mapped[str | None] = mapped_column(String(128))
    status: Mapped[Status] = mapped_column(status_type(), default=Status.PENDING)
    attempt: Mapped[int] = mapped_column(default=0)
    crashes: Mapped[int] = mapped_column(default=0)
    waits: Mapped[int] = mapped_column(default=0)
    lease_id: Mapped[UUID | None] = mapped_column(ForeignKey("worker_leases.id", ondelete="SET NULL"))
    settled: Mapped[str] = mapped_column(Text, default="")
    checkpoint: Mapped[str] = mapped_column(Text, default="")
    score: Mapped[str] = mapped_column(Text, default="", deferred=True)
    lost: Mapped[str] = mapped_column(Text, default="", deferred=True)
    steers: Mapped[int] = mapped_column(default=0)
    action_id: Mapped[UUID | None]
    publishes: Mapped[int] = mapped_column(default=0)
    # What it may take beyond the time of any reply, because it works toward a goal.
    more_seconds: Mapped[float] = mapped_column(default=0)

    created_at: Mapped[CreatedAt]
    next_publish_at: Mapped[datetime] = mapped_column(UtcDateTime(), default=now())
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    wake_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    action_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    deadline_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    announced_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
