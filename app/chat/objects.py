"""The objects that clients see: one shape for JSON, events and pages."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.models import Status


class Shape(BaseModel):
    """The base of every object: immutable, and dumped by `public`."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    def public(self) -> dict[str, Any]:
        """As JSON values."""
        return self.model_dump(mode="json")


class ToolInvocation(Shape):
    """One call of a tool; times in UTC."""

    id: UUID
    name: str
    arguments: Any
    status: str
    result: str | None
    error: str | None
    started_at: datetime | None
    completed_at: datetime | None


class ReplyError(Shape):
    """Why a reply failed: a stable code, what to do, and whether trying again can help."""

    code: str
    message: str
    retryable: bool


class MessageObject(Shape):
    """One message. Of a reply that is being written, `content` is the text so far. Costs are decimals, in cents."""

    id: UUID
    thread_id: UUID
    user_id: UUID
    parent_id: UUID | None
    role: str
    content: str
    metadata: dict[str, Any]
    pinned: bool
    attachments: list[Any]
    status: Status
    job_id: UUID | None
    model_id: str | None
    tool_invocations: list[ToolInvocation]
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_in_cents: Decimal | None
    usage_estimated: bool
    attempt: int
    wake_at: datetime | None
    deadline_at: datetime | None
    required_action: dict[str, Any] | None
    error: ReplyError | None
    queue_position: int | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


class ThreadObject(Shape):
    """One thread; `status` is that of its newest active reply, or "idle"."""

    id: UUID
    user_id: UUID
    title: str | None
    metadata: dict[str, Any]
    settings: dict[str, Any]
    status: str
    last_message: MessageObject | None
    share: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class Sent(Shape):
    """What posting a message made."""

    thread: ThreadObject
    message: MessageObject
    reply: MessageObject
