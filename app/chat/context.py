"""Gathering what a model is asked: instructions, parameters and as much history as fits its budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.chat import goals, steps
from app.chat.goals import Goal
from app.chat.reading import ancestors
from app.chat.steps import Taken
from app.config import Settings
from app.llm import providers
from app.llm.catalog import Model
from app.llm.tokens import estimate
from app.llm.types import ModelRequest, Provider, Turn
from app.models import Job, Message, Thread, User

_MAX_TURNS = 500
_TURN_TOKENS = 4  # what a provider adds around each message
_GO_ON = "Go on exactly where you stopped, without repeating anything and without a word about it."


@dataclass(frozen=True, slots=True)
class Work:
    """A reply to write: which message, with what, asked of whom.

    `request` has neither tools nor the reply's own `steps`, the committed ones, whose text is `settled`. `content` is
    the message that is answered, `tools` the names that the message, thread or user allow; None leaves it to the rules.
    """

    message_id: UUID
    user_id: UUID
    model_id: str
    provider: Provider
    model: Model
    request: ModelRequest
    content: str
    tools: tuple[str, ...] | None
    goal: Goal | None
    started_at: datetime
    settled: str
    steps: tuple[Taken, ...]


def gather(session: Session, settings: Settings, job_id: UUID, at: datetime) -> Work:
    """The work of `job_id`, as of `at`. Raises ModelUnavailable when its model has gone since it was accepted."""
    reply, thread, user, job = session.execute(
        select(Message, Thread, User, Job)
        .join(Thread, Thread.id == Message.thread_id)
        .join(User, User.id == Message.user_id)
        .join(Job, Job.id == Message.job_id)
        .where(Message.job_id == job_id)
    ).one()
    model_id = str(reply.model_id)
    provider, model = providers.resolve(settings, model_id)
    chosen = _chosen(reply, thread, user)
    goal = Goal.of(reply.parameters)
    system = _system(settings, reply, thread, user, at)
    if goal is not None:
        system += f"\n\n{goals.INSTRUCTIONS}"
    max_output = _max_output(settings, chosen, model)
    budget = _budget(settings, chosen, model, max_output) - estimate(system)
    taken = tuple(steps.of_job(session, job_id)) if job.attempt > 1 else ()
    turns = _history(session, reply.parent_id, budget, without=sum(step.said for step in taken))
    content = next((turn.content for turn in reversed(turns) if turn.role == "user"), "")
    if "continues" in reply.parameters:
        turns = (*turns, Turn("assistant", job.settled), Turn("user", _GO_ON))
    request = ModelRequest(
        model=model.name,
        turns=turns,
        system=system,
        temperature=chosen.get("temperature"),
        max_output_tokens=max_output,
    )
    return Work(
        message_id=reply.id,
        user_id=user.id,
        model_id=model_id,
        provider=provider,
        model=model,
        request=request,
        content=content,
        tools=tuple(chosen["tools"]) if chosen.get("tools") is not None else None,
        goal=goal,
        started_at=job.started_at or at,
        settled=job.settled,
        steps=taken,
    )


def _chosen(reply: Message, thread: Thread, user: User) -> dict[str, Any]:
    """Parameters from the message, then the thread's settings, then the user's preferences."""
    merged: dict[str, Any] = {}
    for source in (user.preferences, thread.settings, reply.parameters):
        merged |= {name: value for name, value in source.items() if value is not None}
    return merged


def _system(settings: Settings, reply: Message, thread: Thread, user: User, at: datetime) -> str:
    local = at.astimezone(ZoneInfo(settings.timezone))
    facts = f"It is {local:%A, %d %B %Y, %H:%M} ({settings.timezone})."
    if user.name:
        facts += f" The user's name is {user.name}."
    wanted = [source.get("instructions") for source in (user.preferences, thread.settings, reply.parameters)]
    return "\n\n".join([facts, *(text for text in wanted if text)])


def _max_output(settings: Settings, chosen: dict[str, Any], model: Model) -> int:
    wanted = int(chosen.get("max_output_tokens") or settings.max_output_tokens)
    return min(wanted, model.max_output_tokens)


def _budget(settings: Settings, chosen: dict[str, Any], model: Model, max_output: int) -> int:
    wanted = int(chosen.get("context_tokens") or settings.context_tokens)
    return min(wanted, model.context_tokens - max_output)


def _history(session: Session, leaf: UUID | None, budget: int, without: int) -> tuple[Turn, ...]:
    """The newest messages that fit, oldest first. The last one always goes along: better refused than unasked.

    `without` that many at its end, which were said into the reply itself: its steps have them at their places.
    """
    ids = ancestors(session, leaf, _MAX_TURNS)[without:]
    rows = {row.id: row for row in session.scalars(select(Message).where(Message.id.in_(ids)))}
    taken = steps.with_calls(session, (row.id for row in rows.values() if row.role != "user"))
    kept: list[list[Turn]] = []
    for id_ in ids:
        turns = _of_message(rows[id_], taken.get(id_, ()))
        budget -= sum(_tokens(turn) for turn in turns)
        if budget < 0 and kept:
            break
        kept.append(turns)
    return tuple(turn for turns in reversed(kept) for turn in turns)


def _of_message(row: Message, taken: Sequence[Taken]) -> list[Turn]:
    """A message as turns: one, several where it called tools, none where it ended before its first word."""
    if taken and "continues" not in row.parameters:
        return list(steps.turns(taken))
    return [Turn("user" if row.role == "user" else "assistant", row.content)] if row.content else []


def _tokens(turn: Turn) -> int:
    called = sum(estimate(call.name) + estimate(call.arguments) for call in turn.tool_calls)
    return estimate(turn.content) + called + _TURN_TOKENS
