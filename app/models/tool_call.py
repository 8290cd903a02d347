"""Tool calls: what a model asked for and what came of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.clock import UtcDateTime
from app.extensions import Base
from app.models.columns import Key


class ToolCall(Base):
    """One invocation; `arguments` is the JSON text the model wrote, `call_id` the provider's name for it.

    `status` is pending, processing (begun by `attempt`), waiting, requires_action, completed or failed. `edited` are
    the arguments of whoever approved the call, where they differ.
    """

    __tablename__ = "tool_calls"

    id: Mapped[Key]
    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), index=True)
    step_id: Mapped[UUID] = mapped_column(ForeignKey("steps.id", ondelete="CASCADE"), index=True)
    call_id: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(200))
    arguments: Mapped[str] = mapped_column(Text)
    edited: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20))
    attempt: Mapped[int] = mapped_column(default=0)
    idempotent: Mapped[bool] = mapped_column(default=False)
    approved: Mapped[bool | None]
    result: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
