"""The committed steps of replies: what was asked and answered, and the turns that a model is shown of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session

from app.ids import new_id
from app.llm import types as llm
from app.llm.types import Turn, Usage
from app.models import Step, ToolCall
from app.models.columns import table
from app.stream import events
from app.text import printable

# Kinds of steps.
MODEL = "model"
SAID = "said"

PENDING = "pending"
PROCESSING = "processing"
WAITING = "waiting"
REQUIRES_ACTION = "requires_action"
COMPLETED = "completed"
FAILED = "failed"

# How clients are told of a call that has come to this status.
EVENTS = {PROCESSING: events.TOOL_STARTED, COMPLETED: events.TOOL_COMPLETED, FAILED: events.TOOL_FAILED}

OPEN = frozenset({PENDING, PROCESSING, WAITING, REQUIRES_ACTION})

# What a provider names is kept as far as its column goes: it must not keep a reply from ending.
_FOREIGN_CHARS = 200

# Built once: to build a statement costs more than to send it.
_INSERT_STEP, _INSERT_CALL = insert(table(Step)), insert(table(ToolCall))
_step, _call = table(Step).c, table(ToolCall).c
_ASKED = (
    select(_call.message_id, _step.job_id)
    .join_from(table(ToolCall), table(Step), _step.id == _call.step_id)
    .where(_call.message_id.in_(bindparam("ids", expanding=True)))
    .distinct()
)

NO_RESULT = "This call was not finished; its outcome is unknown."


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A model call that ended, as its step will be written. `text` is what it wrote itself, `number` counts from 1.

    `estimated` marks a usage that its provider did not give.
    """

    number: int
    attempt: int
    model_id: str
    started_at: datetime
    text: str
    finish_reason: str
    usage: Usage
    estimated: bool = False
    request_id: str | None = None
    tool_calls: tuple[llm.ToolCall, ...] = ()
    offered: Sequence[Mapping[str, Any]] = ()


def store(
    session: Session, job_id: UUID, message_id: UUID, step_id: UUID, call: ModelCall, *, ids: Sequence[UUID]
) -> list[Called]:
    """Insert the step and the tool calls it asked for, which get these `ids`."""
    row = {
        "id": step_id,
        "job_id": job_id,
        "number": call.number,
        "attempt": call.attempt,
        "kind": MODEL,
        "model_id": call.model_id,
        "request_id": _short(call.request_id) if call.request_id else None,
        "text": call.text,
        "finish_reason": call.finish_reason,
        "prompt_tokens": call.usage.prompt_tokens,
        "completion_tokens": call.usage.completion_tokens,
        "cached_tokens": call.usage.cached_tokens,
        "reasoning_tokens": call.usage.reasoning_tokens,
        "estimated": call.estimated,
        "offered": list(call.offered) or None,
        "started_at": call.started_at,
    }
    session.execute(_INSERT_STEP, row)
    if not call.tool_calls:
        return []
    common = {"message_id": message_id, "step_id": step_id, "status": PENDING}
    rows = [{"id": id_, **common, **_asked(one)} for id_, one in zip(ids, call.tool_calls, strict=True)]
    session.execute(_INSERT_CALL, rows)
    return [
        Called(row["id"], row["call_id"], row["name"], row["arguments"], PENDING, 0, None, None, None) for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Called:
    """One tool call as its row has it. `arguments` is JSON text, an approver's where there is one."""

    id: UUID
    call_id: str
    name: str
    arguments: str
    status: str
    attempt: int
    approved: bool | None
    result: str | None
    error: str | None
    idempotent: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it still has no outcome."""
        return self.status in OPEN

    @property
    def was_refused(self) -> bool:
        """Whether it was never begun because the model had asked for something that cannot be done."""
        return self.status == FAILED and self.attempt == 0 and self.approved is None

    @property
    def told(self) -> str:
        """What the model is told about it; every call is answered, or its provider refuses the whole request."""
        return (self.result if self.status == COMPLETED else self.error) or NO_RESULT


@dataclass(frozen=True, slots=True)
class Taken:
    """One model call that ended, with the tool calls it asked for; `text` is what it wrote itself. Or, where `said` is
    true, what a person said into the reply at this place."""

    number: int
    text: str
    usage: Usage | None = None
    calls: tuple[Called, ...] = ()
    said: bool = False


def of_job(session: Session, job_id: UUID) -> list[Taken]:
    """The steps of one job, in order."""
    steps = session.scalars(select(Step).where(Step.job_id == job_id).order_by(Step.number)).all()
    calls = _calls(session, [step.id for step in steps])
    return [_taken(step, calls[step.id]) for step in steps]


def with_calls(session: Session, message_ids: Iterable[UUID]) -> dict[UUID, list[Taken]]:
    """The steps of those messages that called tools; the others are their text and nothing more."""
    ids = list(message_ids)
    if not ids:
        return {}
    message_of = {row.job_id: row.message_id for row in session.execute(_ASKED, {"ids": ids})}
    if not message_of:
        return {}
    found: dict[UUID, list[Taken]] = defaultdict(list)
    written = select(Step).where(Step.job_id.in_(message_of), Step.kind == MODEL)
    steps = session.scalars(written.order_by(Step.job_id, Step.number)).all()
    calls = _calls(session, [step.id for step in steps])
    for step in steps:
        found[message_of[step.job_id]].append(_taken(step, calls[step.id]))
    return found


def total(usages: Iterable[Usage | None]) -> Usage:
    """What several model calls took together."""
    known = [usage for usage in usages if usage is not None]
    return Usage(
        sum(usage.prompt_tokens for usage in known),
        sum(usage.completion_tokens for usage in known),
        sum(usage.cached_tokens for usage in known),
        sum(usage.reasoning_tokens for usage in known),
    )


def turns(steps: Sequence[Taken]) -> Iterator[Turn]:
    """What a model is shown of them: each step's words and calls, then every call's result.

    A call that has none is somebody else's to answer; what has been said about it stands further below.
    """
    for step in steps:
        if step.said:
            yield Turn("user", step.text)
        elif step.text or step.calls:
            yield Turn("assistant", step.text, tuple(as_sent(call) for call in step.calls))
        for call in step.calls:
            if not call.is_open:
                yield Turn("tool", call.told, tool_call_id=call.call_id)


def plain(turns: Iterable[Turn]) -> Iterator[Turn]:
    """The same without calls and results: some servers refuse them where no tool is offered."""
    for turn in turns:
        if turn.role != "tool" and (turn.content or not turn.tool_calls):
            yield replace(turn, tool_calls=())


def called(row: ToolCall) -> Called:
    """The plain value of a row."""
    arguments = row.edited if row.edited is not None else row.arguments
    return Called(
        row.id,
        row.call_id,
        row.name,
        arguments,
        row.status,
        row.attempt,
        row.approved,
        row.result,
        row.error,
        row.idempotent,
    )


def _calls(session: Session, step_ids: Sequence[UUID]) -> dict[UUID, list[Called]]:
    found: dict[UUID, list[Called]] = defaultdict(list)
    for row in session.scalars(select(ToolCall).where(ToolCall.step_id.in_(step_ids)).order_by(ToolCall.id)):
        found[row.step_id].append(called(row))
    return found


def say(session: Session, job_id: UUID, attempt: int, number: int, texts: Sequence[str]) -> list[Taken]:
    """Insert a step for each text that a person has said into the reply, from `number` on."""
    common = {"job_id": job_id, "attempt": attempt, "kind": SAID}
    rows = [{"id": new_id(), **common, "number": place, "text": text} for place, text in enumerate(texts, number)]
    if rows:
        session.execute(_INSERT_STEP, rows)
    return [Taken(place, text, said=True) for place, text in enumerate(texts, number)]


def _taken(step: Step, calls: Sequence[Called]) -> Taken:
    return Taken(step.number, step.text, _usage(step), tuple(calls), said=step.kind == SAID)


def _asked(call: llm.ToolCall) -> dict[str, Any]:
    return {"call_id": _short(call.id), "name": _short(call.name), "arguments": printable(call.arguments)}


def _short(text: str) -> str:
    return printable(text)[:_FOREIGN_CHARS]


def _usage(step: Step) -> Usage | None:
    if step.prompt_tokens is None or step.completion_tokens is None:
        return None
    return Usage(step.prompt_tokens, step.completion_tokens, step.cached_tokens or 0, step.reasoning_tokens or 0)


def as_sent(call: Called) -> llm.ToolCall:
    """The call as a provider may see it again; arguments that are no JSON object are not sent back."""
    return llm.ToolCall(call.call_id, call.name, call.arguments if _is_object(call.arguments) else "{}")


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
