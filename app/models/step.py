"""Steps: completed model calls and tool calls inside a reply."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.clock import UtcDateTime
from app.extensions import Base
from app.models.columns import CreatedAt, Key


class Step(Base):
    """One model call that ended, with what the provider said about it; its tool calls are rows of their own. Or, of
    kind "said", a message that steered the reply at this place, and `text` is what it said.

    `offered` says of each tool whether the model was offered it, and why: [{name, offered, reason}].
    """

    __tablename__ = "steps"
    __table_args__ = (UniqueConstraint("job_id", "number"),)

    id: Mapped[Key]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    number: Mapped[int]
    attempt: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))
    model_id: Mapped[str | None] = mapped_column(String(200))
    request_id: Mapped[str | None] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text, default="")
    finish_reason: Mapped[str | None] = mapped_column(String(20))
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    reasoning_tokens: Mapped[int | None]
    estimated: Mapped[bool] = mapped_column(default=False)
    offered: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    completed_at: Mapped[CreatedAt]
