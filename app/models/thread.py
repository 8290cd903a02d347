"""Threads: conversations."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.clock import UtcDateTime
from app.extensions import Base
from app.models.columns import CreatedAt, Key, partial


class Thread(Base):
    """A tree of messages; `active_message_id` is the leaf of the path that is shown.

    `deleted_at` hides it at once; maintenance removes the rows when nothing runs in it any more. A `hidden` one is in
    no list. One that is not `lasting` was made for responses, and goes with the last of them.
    """

    __tablename__ = "threads"
    __table_args__ = (
        Index("ix_threads_user_id_updated_at", "user_id", "updated_at", "id"),
        Index("ix_threads_user_id_created_at", "user_id", "created_at", "id"),
        partial("ix_threads_deleted_at", "deleted_at"),
    )

    id: Mapped[Key]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str | None] = mapped_column(String(200))
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", JSON, default=dict)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    hidden: Mapped[bool] = mapped_column(default=False)
    lasting: Mapped[bool] = mapped_column(default=True)
    # No foreign key: messages point at threads, and a circle of constraints helps nobody.
    active_message_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
