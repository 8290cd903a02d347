"""Posting: one transaction makes the user's message, the pending reply and its job; then the wake-up goes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import Row, bindparam, func, update
from sqlalchemy.orm import Session

from app.chat import assembling, beginning, busy, cancelling, choosing, owning, pairing, steering, telling
from app.chat.busy import Busy
from app.chat.errors import InvalidField, NotFound
from app.chat.idempotency import Answer, Once
from app.chat.objects import MessageObject, Sent
from app.chat.pairing import PROCESS_MESSAGE, Question, Wanted
from app.clock import now
from app.database import transaction
from app.models import Thread
from app.models.columns import attributes, table

__all__ = ["PROCESS_MESSAGE", "Draft", "Origin", "accept", "send_message", "title_of", "touch_thread"]

_TITLE_CHARS = 80

# Built once: to build a statement costs more than to send it.
_TOUCH_THREAD = (
    update(table(Thread))
    .where(owning.owned(bindparam("owner"), bindparam("thread")))
    .values(updated_at=now(), title=func.coalesce(Thread.title, bindparam("given")))
    .returning(*attributes(Thread))
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody posts. `content` is clean; `parameters` hold model, instructions, temperature, max_output_tokens,
    tools and goal where this one message sets them. Without `thread_id` a thread is made, with `title`.

    `busy` says what to do about replies that are unfinished there; the reply starts in `after_seconds`.
    """

    content: str
    thread_id: UUID | None = None
    title: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    busy: Busy = "enqueue"
    after_seconds: float = 0


class Origin(TypedDict, total=False):
    """The request behind a use case: its id, for the logs, its Idempotency-Key, and how to make the answer to keep."""

    request_id: str | None
    once: Once | None
    render: Callable[[Sent], Answer] | None


def send_message(
    user_id: UUID,
    draft: Draft,
    *,
    request_id: str | None = None,
    once: Once | None = None,
    render: Callable[[Sent], Answer] | None = None,
) -> Sent:
    """Accept `draft`: the rows are committed when this returns, whatever Redis does.

    Raises NotFound, InvalidField (model, after_seconds), ThreadBusy, Repeated or KeyReused; then nothing is stored.
    """
    if draft.busy == "steer" and draft.after_seconds:
        raise InvalidField("after_seconds", "cannot be combined with steer, which does not wait; leave one out")
    frame = beginning.frame(draft.after_seconds) if once is None and draft.thread_id is None else transaction
    sent = accept(lambda session: _store(session, user_id, draft, request_id), once, render, _made, frame)
    if draft.busy in {"interrupt", "rollback"}:
        cancelling.carry_out(sent.thread.id)
    return sent


def accept(
    store: Callable[[Session], Sent],
    once: Once | None,
    render: Callable[[Sent], Answer] | None,
    made: Callable[[Sent], Iterable[MessageObject]],
    frame: Callable[[], AbstractContextManager[Session]] = transaction,
) -> Sent:
    """Run `store` in one transaction, once for each key, then tell of what it `made` and wake a worker.

    Raises Repeated, KeyReused and what `store` raises; then nothing is stored.
    """
    with frame() as session:
        if once is not None:
            once.claim(session)
        sent = store(session)
        if once is not None and render is not None:
            once.keep(session, render(sent))
    telling.accepted(made(sent))
    return sent


def _made(sent: Sent) -> list[MessageObject]:
    """A message that steers gets no reply of its own."""
    return [sent.message] if sent.message.parent_id == sent.reply.id else [sent.message, sent.reply]


def _store(session: Session, user_id: UUID, draft: Draft, request_id: str | None) -> Sent:
    question = Question(draft.content, draft.metadata)
    title = draft.title or title_of(draft.content)
    if draft.thread_id is None:
        wanted = _wanted(session, user_id, draft, {}, request_id)
        thread, message, reply = beginning.conversation(session, user_id, title, question, wanted)
        return Sent.model_construct(thread=assembling.thread_ending_in(thread, reply), message=message, reply=reply)
    thread = touch_thread(session, user_id, draft.thread_id, title)
    wanted = _wanted(session, user_id, draft, thread.settings, request_id)
    if draft.busy == "steer" and (steered := steering.steer(session, thread, question, draft.parameters)):
        shown = assembling.thread(session, owning.thread(session, user_id, thread.id))
        return Sent.model_construct(thread=shown, message=steered[0], reply=steered[1])
    leaf = busy.make_way(session, thread.id, thread.active_message_id, draft.busy)
    message, reply = pairing.store(session, thread, leaf, question, wanted)
    thread = pairing.end_in(session, thread.id, reply.id)
    return Sent.model_construct(thread=assembling.thread_ending_in(thread, reply), message=message, reply=reply)


def _wanted(
    session: Session, user_id: UUID, draft: Draft, settings: Mapping[str, Any], request_id: str | None
) -> Wanted:
    model_id = choosing.model(session, user_id, settings, draft.parameters.get("model"))
    return Wanted(model_id, draft.parameters, request_id, draft.after_seconds)


def touch_thread(session: Session, user_id: UUID, thread_id: UUID, title: str | None) -> Row[Any]:
    """The user's thread, its row locked, as it ended before; it gets the title if it has none. Raises NotFound.

    Parallel posts to one thread take turns from here.
    """
    row = session.execute(_TOUCH_THREAD, {"thread": thread_id, "owner": user_id, "given": title}).one_or_none()
    if row is None:
        raise NotFound("thread")
    return row


def title_of(content: str) -> str | None:
    """The first line of what somebody writes, shortened; None where it has no words."""
    line = next(iter(content.strip().splitlines()), "").rstrip()
    return (line if len(line) <= _TITLE_CHARS else line[: _TITLE_CHARS - 1].rstrip() + "…") or None
