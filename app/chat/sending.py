"""Posting: one transaction makes the user's message, the pending reply and its job; then the wake-up goes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session

from app.chat import assembling, notices, owning
from app.chat.errors import InvalidField, NotFound
from app.chat.idempotency import Answer, Once
from app.chat.objects import Sent
from app.clock import now
from app.database import transaction
from app.extensions import settings
from app.ids import new_id
from app.jobs import queue
from app.llm import catalog
from app.llm.errors import ModelUnavailable
from app.models import TERMINAL, Job, Message, Thread, User
from app.models.columns import attributes, table

# The Celery task that writes replies. Named, not imported: a test proves that it is registered.
PROCESS_MESSAGE = "tasks.process_message"

_TITLE_CHARS = 80

# Built once: to build a statement costs more than to send it.
_INSERT_JOB = (
    insert(table(Job))
    .values(task=PROCESS_MESSAGE, queue=queue.REPLIES, next_publish_at=now(queue.FIRST_AGAIN_SECONDS))
    .returning(*attributes(Job))
)
_INSERT_MESSAGES = insert(table(Message)).returning(*attributes(Message))
_INSERT_THREAD = insert(table(Thread)).returning(*attributes(Thread))
_TOUCH_THREAD = (
    update(table(Thread))
    .where(owning.owned(bindparam("owner"), bindparam("thread")))
    .values(updated_at=now(), title=func.coalesce(Thread.title, bindparam("given")))
    .returning(*attributes(Thread))
)
_END_IN = update(table(Thread)).where(Thread.id == bindparam("thread")).values(active_message_id=bindparam("leaf"))


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody posts. `content` is clean; `parameters` hold model, instructions, temperature and
    max_output_tokens where this one message sets them. Without `thread_id` a thread is made, with `title`."""

    content: str
    thread_id: UUID | None = None
    title: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def send_message(
    user_id: UUID,
    draft: Draft,
    *,
    request_id: str | None = None,
    once: Once | None = None,
    render: Callable[[Sent], Answer] | None = None,
) -> Sent:
    """Accept `draft`: the rows are committed when this returns, whatever Redis does.

    Raises NotFound, InvalidField (model), Repeated or KeyReused; then nothing is stored.
    """
    with transaction() as session:
        if once is not None:
            once.claim(session)
        sent = _store(session, user_id, draft, request_id)
        if once is not None and render is not None:
            once.keep(session, render(sent))
    notices.messages_created(sent.message, sent.reply)
    if sent.reply.queue_position is None and sent.reply.job_id is not None:
        queue.publish(sent.reply.job_id, PROCESS_MESSAGE, queue.REPLIES)
    return sent


def _store(session: Session, user_id: UUID, draft: Draft, request_id: str | None) -> Sent:
    message_id, reply_id, job_id = new_id(), new_id(), new_id()
    thread = _thread(session, user_id, draft, reply_id)
    leaf_id = thread.active_message_id if draft.thread_id is not None else None
    model_id = _model(session, user_id, thread, draft)
    job = session.execute(
        _INSERT_JOB,
        {
            "id": job_id,
            "thread_id": thread.id,
            "after_id": _predecessor(session, leaf_id),
            "request_id": request_id,
            "publishes": 1,
        },
    ).one()
    asked = {"id": message_id, "parent_id": leaf_id, "role": "user", "content": draft.content}
    asked |= {"metadata": draft.metadata, "job_id": None, "model_id": None, "parameters": {}}
    replied = {"id": reply_id, "parent_id": message_id, "role": "assistant", "content": ""}
    replied |= {"metadata": {}, "job_id": job_id, "model_id": model_id, "parameters": draft.parameters}
    common = {"thread_id": thread.id, "user_id": user_id}
    made = {row.id: row for row in session.execute(_INSERT_MESSAGES, [common | asked, common | replied])}
    if draft.thread_id is not None:
        session.execute(_END_IN, {"thread": thread.id, "leaf": reply_id})
    message, reply = assembling.posted(session, made[message_id], made[reply_id], job)
    return Sent.model_construct(thread=assembling.thread_ending_in(thread, reply), message=message, reply=reply)


def _thread(session: Session, user_id: UUID, draft: Draft, reply_id: UUID) -> Row[Any]:
    """The thread to post to: a new one that ends in the reply, or one whose row is locked, as it ended before.

    Parallel posts to one thread take turns from here.
    """
    title = draft.title or _title(draft.content)
    if draft.thread_id is None:
        new = {"id": new_id(), "user_id": user_id, "title": title, "active_message_id": reply_id}
        return session.execute(_INSERT_THREAD, new).one()
    named = {"thread": draft.thread_id, "owner": user_id, "given": title}
    row = session.execute(_TOUCH_THREAD, named).one_or_none()
    if row is None:
        raise NotFound("thread")
    return row


def _title(content: str) -> str:
    line = content.strip().splitlines()[0].rstrip()
    return line if len(line) <= _TITLE_CHARS else line[: _TITLE_CHARS - 1].rstrip() + "…"


def _model(session: Session, user_id: UUID, thread: Row[Any], draft: Draft) -> str:
    """The model id of this reply: the message's, else the thread's, else the user's, else the default."""
    chosen = draft.parameters.get("model") or thread.settings.get("model") or _preferred(session, user_id)
    try:
        model_id = str(chosen or catalog.default_model(settings()))
        catalog.find(settings(), model_id)
    except ModelUnavailable as error:
        raise InvalidField("model", str(error)) from None
    return model_id


def _preferred(session: Session, user_id: UUID) -> str | None:
    preferences = session.scalars(select(User.preferences).where(User.id == user_id)).one()
    model: str | None = preferences.get("model")
    return model


def _predecessor(session: Session, leaf: UUID | None) -> UUID | None:
    """The job at the end of the branch, which the new one waits for; none where it ended after a turn of its own."""
    if leaf is None:
        return None
    last = select(Job.id).join(Message, Message.job_id == Job.id).where(Message.id == leaf)
    return session.scalars(last.where(or_(Job.status.not_in(TERMINAL), Job.started_at.is_(None)))).one_or_none()
