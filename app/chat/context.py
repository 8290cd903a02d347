"""Gathering what a model is asked: instructions, parameters and as much history as fits its budget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.chat.reading import ancestors
from app.config import Settings
from app.llm import providers
from app.llm.catalog import Model
from app.llm.tokens import estimate
from app.llm.types import ModelRequest, Provider, Turn
from app.models import Message, Thread, User

_MAX_TURNS = 500
_TURN_TOKENS = 4  # what a provider adds around each message


@dataclass(frozen=True, slots=True)
class Work:
    """A reply to write: which message, with what, asked of whom."""

    message_id: UUID
    model_id: str
    provider: Provider
    request: ModelRequest


def gather(session: Session, settings: Settings, job_id: UUID, at: datetime) -> Work:
    """The work of `job_id`, as of `at`. Raises ModelUnavailable when its model has gone since it was accepted."""
    reply, thread, user = session.execute(
        select(Message, Thread, User)
        .join(Thread, Thread.id == Message.thread_id)
        .join(User, User.id == Message.user_id)
        .where(Message.job_id == job_id)
    ).one()
    model_id = str(reply.model_id)
    provider, model = providers.resolve(settings, model_id)
    chosen = _chosen(reply, thread, user)
    system = _system(settings, reply, thread, user, at)
    max_output = _max_output(settings, chosen, model)
    budget = _budget(settings, chosen, model, max_output) - estimate(system)
    request = ModelRequest(
        model=model.name,
        turns=_history(session, reply.parent_id, budget),
        system=system,
        temperature=chosen.get("temperature"),
        max_output_tokens=max_output,
    )
    return Work(reply.id, model_id, provider, request)


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


def _history(session: Session, leaf: UUID | None, budget: int) -> tuple[Turn, ...]:
    """The newest turns that fit, oldest first. The last one always goes along: better refused than unasked."""
    ids = ancestors(session, leaf, _MAX_TURNS)
    rows = {row.id: row for row in session.scalars(select(Message).where(Message.id.in_(ids)))}
    turns: list[Turn] = []
    for id_ in ids:
        row = rows[id_]
        if not row.content:
            continue  # a reply that failed or was cancelled before its first word
        budget -= estimate(row.content) + _TURN_TOKENS
        if budget < 0 and turns:
            break
        turns.append(Turn("user" if row.role == "user" else "assistant", row.content))
    return tuple(reversed(turns))
