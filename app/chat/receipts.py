"""Receipts: what writing a reply took, attempt by attempt and step by step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from importlib import metadata
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.chat import assembling, owning
from app.chat.errors import NotFound
from app.chat.objects import MessageObject, Shape, ToolInvocation
from app.database import reading
from app.models import Attempt, Status, Step, ToolCall

_PRICE_LIST = "genai-prices"


class AttemptObject(Shape):
    """One claim of the reply by a worker, and how it ended; `outcome` is null while it runs."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None


class Considered(Shape):
    """A tool that the model was offered in a step, or not, and why."""

    name: str
    offered: bool
    reason: str


class StepObject(Shape):
    """One model call that ended, with the tool calls it asked for. `estimated`: its provider did not count tokens."""

    number: int
    attempt: int
    kind: str
    model_id: str | None
    request_id: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    estimated: bool
    started_at: datetime | None
    completed_at: datetime
    offered: list[Considered]
    tool_invocations: list[ToolInvocation]


class Receipt(Shape):
    """What a reply took. `price_version` names the price list of `cost_in_cents`, where a cost is known."""

    message_id: UUID
    model_id: str | None
    status: Status
    finish_reason: str | None
    price_version: str | None
    cost_in_cents: Decimal | None
    hold: None
    settlement: None
    attempts: list[AttemptObject]
    steps: list[StepObject]


def get(user_id: UUID, message_id: UUID) -> Receipt:
    """The receipt of a reply as it stands; that of a user's message is empty. Raises NotFound."""
    with reading() as session:
        message = assembling.message(session, owning.message(session, user_id, message_id).id)
        if message is None:
            raise NotFound("message")
        attempts = select(Attempt).where(Attempt.job_id == message.job_id).order_by(Attempt.number)
        shown = [AttemptObject.model_validate(row) for row in session.scalars(attempts)]
        return Receipt(**_summary(message), attempts=shown, steps=_steps(session, message))


def _summary(message: MessageObject) -> dict[str, Any]:
    version = f"{_PRICE_LIST} {metadata.version(_PRICE_LIST)}" if message.cost_in_cents is not None else None
    same = {name: getattr(message, name) for name in ("model_id", "status", "finish_reason", "cost_in_cents")}
    return {"message_id": message.id, "price_version": version, "hold": None, "settlement": None, **same}


def _steps(session: Session, message: MessageObject) -> list[StepObject]:
    rows = session.scalars(select(Step).where(Step.job_id == message.job_id).order_by(Step.number)).all()
    calls = _calls(session, message)
    return [_step(row, calls[row.id]) for row in rows]


def _step(row: Step, calls: Sequence[ToolInvocation]) -> StepObject:
    own = {name: getattr(row, name) for name in StepObject.model_fields if name not in {"offered", "tool_invocations"}}
    return StepObject(**own, offered=[Considered(**each) for each in row.offered or ()], tool_invocations=list(calls))


def _calls(session: Session, message: MessageObject) -> Mapping[UUID, Sequence[ToolInvocation]]:
    """The tool calls of each step, as the message shows them."""
    invocations = {invocation.id: invocation for invocation in message.tool_invocations}
    found: defaultdict[UUID, list[ToolInvocation]] = defaultdict(list)
    steps = select(ToolCall.id, ToolCall.step_id).where(ToolCall.message_id == message.id).order_by(ToolCall.id)
    for row in session.execute(steps):
        if row.id in invocations:
            found[row.step_id].append(invocations[row.id])
    return found
