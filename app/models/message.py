"""Messages: what users wrote and what models replied."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.clock import UtcDateTime
from app.extensions import Base
from app.models.columns import Cents, CreatedAt, Key, partial


class Message(Base):
    """One node of a thread's tree.

    A message that steers a running reply has `steers_job_id` until that reply has read it or ended.
    A reply is written twice: when it is accepted and when it is finished. In between its state, and its text so far,
    are its job's; a message without a job is complete.

    Rows that came through /v1 may be of any role: a tool's answers the call `call_id` of a function of the caller's, an
    assistant's without a job has made `calls`: [{id, call_id, name, arguments}], the arguments as JSON text.
    A reply with `removed_at` is no response of /v1 any more. `fingerprint` tells equal requests for replies.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_thread_id_id", "thread_id", "id"),
        partial("ix_messages_parent_id", "parent_id"),
        partial("ix_messages_steers_job_id", "steers_job_id"),
        partial("ix_messages_fingerprint", "fingerprint"),
        partial("ix_messages_removed_at", "removed_at"),
    )

    id: Mapped[Key]
    thread_id: Mapped[UUID] = mapped_column(ForeignKey("threads.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"), unique=True)
    # No foreign key: SQLite cannot add one to a table that is there. A job that has one goes with its whole thread.
    steers_job_id: Mapped[UUID | None]
    role: Mapped[str] = mapped_column(String(20))
    content: Mapped[str] = mapped_column(Text, default="")
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", JSON, default=dict)
    pinned: Mapped[bool] = mapped_column(default=False)
    # [{id, type, media_type, name, bytes}]; the contents are rows of their own.
    attachments: Mapped[list[Any]] = mapped_column(JSON, default=list)
    calls: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    call_id: Mapped[str | None] = mapped_column(String(200))
    # What the poster chose for this one reply: model, instructions, temperature, max_output_tokens, tools, goal; what
    # /v1 adds to these is in app/chat/responding.py.
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    fingerprint: Mapped[str | None] = mapped_column(String(64))

    model_id: Mapped[str | None] = mapped_column(String(200))
    finish_reason: Mapped[str | None] = mapped_column(String(20))
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    reasoning_tokens: Mapped[int | None]
    cost_in_cents: Mapped[Decimal | None] = mapped_column(Cents())
    usage_estimated: Mapped[bool] = mapped_column(default=False)
    required_action: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    terminal_cursor: Mapped[str | None] = mapped_column(String(40))

    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
