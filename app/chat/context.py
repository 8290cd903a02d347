"""Gathering what a model is asked: instructions, parameters and as much history as fits its budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, and_, bindparam, select
from sqlalchemy.orm import Session

from app.chat import goals, history, steps
from app.chat.goals import Goal
from app.chat.history import Said
from app.chat.reading import upwards
from app.chat.steps import Taken
from app.config import Settings
from app.llm import providers
from app.llm.catalog import Model
from app.llm.tokens import estimate
from app.llm.types import JsonFormat, ModelRequest, Named, Provider, ToolSpec, Turn
from app.models import Job, Message, Thread, User
from app.models.columns import table

# Built once, and on tables: to build a statement costs more than to send it, and to make objects of the ORM as much.
_message, _thread, _user, _job = table(Message).c, table(Thread).c, table(User).c, table(Job).c
_up = upwards(_message.job_id == bindparam("job"))
# The reply, with what is known of its job, thread and user, and what is above it: of one moment, as one statement.
_WORK = (
    select(*(_message[name] for name in Said._fields), _message.model_id)
    .add_columns(_thread.settings.label("thread_settings"))
    .add_columns(_user.id.label("user_id"), _user.name.label("user_name"), _user.preferences)
    .add_columns(_job.attempt, _job.settled, _job.started_at)
    .join_from(_up, table(Message), _message.id == _up.c.id)
    .outerjoin(table(Job), and_(_job.id == _message.job_id, _up.c.depth == 1))
    .outerjoin(table(Thread), _thread.id == _job.thread_id)
    .outerjoin(table(User), _user.id == _thread.user_id)
    .order_by(_up.c.depth)
)
_MOST = 1 + 500  # the reply, and so many above it

_GO_ON = "Go on exactly where you stopped, without repeating anything and without a word about it."


@dataclass(frozen=True, slots=True)
class Work:
    """A reply to write: which message, with what, asked of whom.

    `request` has neither tools nor the reply's own `steps`, the committed ones, whose text is `settled`. `content` is
    the message that is answered, `tools` the names that the message, thread or user allow; None leaves it to the rules.
    `functions` are called by whoever asked for the reply; `keeps_calls`: the history has calls of such, which a model
    is shown whatever it is offered. `parameters` are the reply's own.
    """

    message_id: UUID
    user_id: UUID
    model_id: str
    provider: Provider
    model: Model
    request: ModelRequest
    content: str
    tools: tuple[str, ...] | None
    functions: tuple[ToolSpec, ...]
    keeps_calls: bool
    goal: Goal | None
    parameters: Mapping[str, Any]
    started_at: datetime
    settled: str
    steps: tuple[Taken, ...]


def gather(session: Session, settings: Settings, job_id: UUID, at: datetime) -> Work:
    """The work of `job_id`, as of `at`. Raises ModelUnavailable when its model has gone since it was accepted."""
    reply, *above = session.execute(_WORK, {"job": job_id, "most": _MOST}).all()
    model_id = str(reply.model_id)
    provider, model = providers.resolve(settings, model_id)
    chosen = _chosen(reply)
    goal = Goal.of(reply.parameters)
    system = _system(settings, reply, at)
    if goal is not None:
        system += f"\n\n{goals.INSTRUCTIONS}"
    max_output = _max_output(settings, chosen, model)
    budget = _budget(settings, chosen, model, max_output) - estimate(system)
    taken = tuple(steps.of_job(session, job_id)) if reply.attempt > 1 else ()
    # What was said into the reply itself its steps have at their places.
    rows = [Said(*row[: len(Said._fields)]) for row in above[sum(step.said for step in taken) :]]
    shown = history.gather(session, rows, budget, model)
    turns = shown.turns
    content = next((turn.content for turn in reversed(turns) if turn.role == "user"), "")
    if "continues" in reply.parameters:
        turns = (*turns, Turn("assistant", reply.settled), Turn("user", _GO_ON))
    request = ModelRequest(
        model=model.name,
        turns=turns,
        system=system,
        temperature=chosen.get("temperature"),
        max_output_tokens=max_output,
        **_wanted(reply.parameters),
    )
    return Work(
        message_id=reply.id,
        user_id=reply.user_id,
        model_id=model_id,
        provider=provider,
        model=model,
        request=request,
        content=content,
        tools=tuple(chosen["tools"]) if chosen.get("tools") is not None else None,
        functions=tuple(_functions(reply.parameters)),
        keeps_calls=shown.has_foreign_calls and model.tools,
        goal=goal,
        parameters=reply.parameters,
        started_at=reply.started_at or at,
        settled=reply.settled,
        steps=taken,
    )


def _chosen(reply: Row[Any]) -> dict[str, Any]:
    """Parameters from the message, then the thread's settings, then the user's preferences."""
    merged: dict[str, Any] = {}
    for source in (reply.preferences, reply.thread_settings, reply.parameters):
        merged |= {name: value for name, value in source.items() if value is not None}
    return merged


def _wanted(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What only /v1 sets, as a request names it."""
    choice, wanted = parameters.get("tool_choice"), parameters.get("text_format") or {}
    return {
        "top_p": parameters.get("top_p"),
        "stop": tuple(parameters.get("stop") or ()),
        "tool_choice": Named(choice["name"]) if isinstance(choice, Mapping) else choice,
        "parallel_tool_calls": parameters.get("parallel_tool_calls"),
        "json_format": _json_format(wanted) if wanted.get("type", "text") != "text" else None,
    }


def _json_format(wanted: Mapping[str, Any]) -> JsonFormat:
    if wanted["type"] == "json_object":
        return JsonFormat()
    named = {name: wanted[name] for name in ("name", "description", "strict") if wanted.get(name) is not None}
    return JsonFormat(wanted["schema"], **named)


def _functions(parameters: Mapping[str, Any]) -> Iterator[ToolSpec]:
    for function in parameters.get("functions") or ():
        known = function.get("parameters") or {"type": "object", "properties": {}}
        yield ToolSpec(function["name"], function.get("description") or "", known, function.get("strict"))


def _system(settings: Settings, reply: Row[Any], at: datetime) -> str:
    local = at.astimezone(ZoneInfo(settings.timezone))
    facts = f"It is {local:%A, %d %B %Y, %H:%M} ({settings.timezone})."
    if reply.user_name:
        facts += f" The user's name is {reply.user_name}."
    wanted = [source.get("instructions") for source in (reply.preferences, reply.thread_settings, reply.parameters)]
    return "\n\n".join([facts, *(text for text in wanted if text)])


def _max_output(settings: Settings, chosen: dict[str, Any], model: Model) -> int:
    wanted = int(chosen.get("max_output_tokens") or settings.max_output_tokens)
    return min(wanted, model.max_output_tokens)


def _budget(settings: Settings, chosen: dict[str, Any], model: Model, max_output: int) -> int:
    wanted = int(chosen.get("context_tokens") or settings.context_tokens)
    return min(wanted, model.context_tokens - max_output)
