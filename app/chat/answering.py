"""Answering what a reply asks of a person: text for a question, a decision for each call that needs approval."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.chat import owning, reading, telling
from app.chat.errors import ActionResolved, Gone, InvalidField
from app.chat.objects import MessageObject
from app.clock import now
from app.database import transaction
from app.jobs import lifecycle
from app.models import Job, Message, ToolCall

_REFUSED = "The user refused this call."
# The error of a reply that nobody answered in time.
_EXPIRED = "action_expired"

# What is written into each tool call; None stands for the one that asked.
_Outcomes = Mapping[UUID | None, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether one call may be made, and with which `arguments` where not with the model's own."""

    id: UUID
    approve: bool
    arguments: Mapping[str, Any] | None = None
    reason: str | None = None


def answer(
    user_id: UUID,
    message_id: UUID,
    action_id: UUID,
    content: str | None = None,
    decisions: Sequence[Decision] | None = None,
) -> MessageObject:
    """Give the reply what it asks for; of several answers the first counts, and the reply goes on.

    Raises NotFound, ActionResolved, Gone, or InvalidField (content, decisions) for an answer that is not to what is
    asked.
    """
    with transaction() as session:
        message = owning.message(session, user_id, message_id)
        asked = _asked(message, action_id)
        read = _decided if asked["type"] == "approval" else _said
        outcomes = read(asked, content, decisions)
        _resolve(session, message, action_id)
        settled = _settle(session, message.id, outcomes)
        session.execute(update(Message).where(Message.id == message.id).values(required_action=None, updated_at=now()))
    answered = reading.get(user_id, message_id)
    telling.called(answered, settled)
    telling.resumed(answered)
    return answered


def _asked(message: Message, action_id: UUID) -> Mapping[str, Any]:
    """What the message asks, if it is this. Raises ActionResolved, or Gone where it failed for want of an answer."""
    asked = message.required_action
    if asked is None and (message.error or {}).get("code") == _EXPIRED:
        raise Gone
    if asked is None or message.job_id is None or asked["id"] != str(action_id):
        raise ActionResolved
    return asked


def _said(_: Mapping[str, Any], content: str | None, decisions: Sequence[Decision] | None) -> _Outcomes:
    """The answer to a question."""
    if content is None:
        raise InvalidField("content", "is missing; this is a question, answer it with text")
    if decisions is not None:
        raise InvalidField("decisions", "is for approvals; answer a question with content alone")
    return {None: {"status": "completed", "result": content, "completed_at": now()}}


def _decided(asked: Mapping[str, Any], content: str | None, decisions: Sequence[Decision] | None) -> _Outcomes:
    """What becomes of each call that waits for approval."""
    if content is not None:
        raise InvalidField("content", "is for questions; decide on each call in decisions")
    wanted = [UUID(str(invocation["id"])) for invocation in asked.get("tool_invocations") or ()]
    given = [decision.id for decision in decisions or ()]
    if sorted(given) != sorted(wanted):
        raise InvalidField("decisions", "must decide on each call in required_action.tool_invocations exactly once")
    return {decision.id: _outcome(decision) for decision in decisions or ()}


def _outcome(decision: Decision) -> dict[str, Any]:
    if decision.approve:
        edited = None if decision.arguments is None else json.dumps(dict(decision.arguments), ensure_ascii=False)
        return {"status": "pending", "approved": True, "edited": edited}
    error = f"{_REFUSED} {decision.reason}" if decision.reason else _REFUSED
    return {"status": "failed", "approved": False, "error": error, "completed_at": now()}


def _resolve(session: Session, message: Message, action_id: UUID) -> None:
    """Let the reply go on, if nobody has yet. Raises Gone or ActionResolved."""
    assert message.job_id is not None
    if lifecycle.answer(session, message.job_id, action_id):
        return
    late = select(Job.id).where(Job.id == message.job_id, Job.action_id == action_id, Job.action_expires_at <= now())
    raise Gone if session.scalars(late).one_or_none() is not None else ActionResolved


def _settle(session: Session, message_id: UUID, outcomes: _Outcomes) -> set[UUID]:
    """Write what becomes of the calls; returns their ids."""
    waiting = update(ToolCall).where(ToolCall.message_id == message_id, ToolCall.status == "requires_action")
    settled: set[UUID] = set()
    for call_id, values in outcomes.items():
        which = waiting if call_id is None else waiting.where(ToolCall.id == call_id)
        settled |= set(session.scalars(which.values(**values).returning(ToolCall.id)))
    return settled
