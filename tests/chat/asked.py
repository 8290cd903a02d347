"""A reply that has stopped to ask a person, as its worker leaves it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, select, update

from app.chat import assembling
from app.chat.objects import Sent
from app.clock import iso
from app.database import reading, transaction
from app.ids import new_id
from app.jobs import lifecycle
from app.models import Message, Step, ToolCall
from tests.chat.branches import begun


@dataclass(frozen=True, slots=True)
class Asked:
    """The reply, what it asks, and the calls that wait for the answer."""

    sent: Sent
    action_id: UUID
    calls: tuple[UUID, ...]

    @property
    def reply_id(self) -> UUID:
        return self.sent.reply.id


def ask(sent: Sent, kind: str = "input", calls: int = 1, seconds: float = 600) -> Asked:
    """Claim the reply, commit a step with `calls` tool calls, and stop for a person."""
    claim, action_id, step_id = begun(sent), new_id(), new_id()
    ids = tuple(new_id() for _ in range(calls))
    common = {"message_id": sent.reply.id, "step_id": step_id, "name": "ask_user", "status": "requires_action"}
    with transaction() as session:
        expires_at = lifecycle.ask(session, claim, action_id, seconds, 600)
        assert expires_at is not None
        step = {"id": step_id, "job_id": claim.job_id, "number": 1, "attempt": 1, "kind": "model"}
        session.execute(insert(Step).values(step))
        for id_ in ids:
            session.execute(insert(ToolCall).values(id=id_, call_id=str(id_), arguments='{"a": 1}', **common))
        rows = session.scalars(select(ToolCall).where(ToolCall.id.in_(ids)).order_by(ToolCall.id))
        shown = {"id": str(action_id), "type": kind, "prompt": "Which?", "expires_at": iso(expires_at)}
        if kind == "approval":
            shown["tool_invocations"] = [assembling.invocation(row).public() for row in rows]
        session.execute(update(Message).where(Message.id == sent.reply.id).values(required_action=shown))
    return Asked(sent, action_id, ids)


def call(id_: UUID) -> ToolCall:
    """The tool call's row."""
    with reading() as session:
        return session.get_one(ToolCall, id_)
