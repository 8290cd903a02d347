"""The tool calls of one reply as their rows have them, for doors that show each call by itself."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from app.chat import steps
from app.chat.steps import Called
from app.database import reading
from app.models import ToolCall


def of_reply(message_id: UUID) -> dict[UUID, Called]:
    """Every tool call of the reply by the id of its row, oldest first; empty where it called nothing."""
    with reading() as session:
        rows = session.scalars(select(ToolCall).where(ToolCall.message_id == message_id).order_by(ToolCall.id))
        return {row.id: steps.called(row) for row in rows}
