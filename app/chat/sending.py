"""Posting: one transaction makes the user's message, the pending reply and its job; then the wake-up goes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import insert, or_, select, update
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
from app.models import TERMINAL, Job, Message, Status, Thread, User

# The Celery task that writes replies. Named, not imported: a test proves that it is registered.
PROCESS_MESSAGE = "tasks.process_message"

_TITLE_CHARS = 80


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
    thread = _thread(session, user_id, draft)
    model_id = _model(session, user_id, thread, draft)
    message_id, reply_id, job_id = new_id(), new_id(), new_id()
    session.execute(
        insert(Job).values(
            id=job_id,
            task=PROCESS_MESSAGE,
            queue=queue.REPLIES,
            thread_id=thread.id,
            after_id=_predecessor(session, thread.active_message_id),
            request_id=request_id,
            status=Status.PENDING,
            publishes=1,
            next_publish_at=now(queue.FIRST_AGAIN_SECONDS),
        )
    )
    common = {"thread_id": thread.id, "user_id": user_id}
    asked = {"id": message_id, "parent_id": thread.active_message_id, "role": "user", "content": draft.content}
    replied = {"id": reply_id, "parent_id": message_id, "role": "assistant", "job_id": job_id, "model_id": model_id}
    session.execute(insert(Message).values(**common, **asked, meta=draft.metadata))
    session.execute(insert(Message).values(**common, **replied, parameters=draft.parameters))
    thread.active_message_id = reply_id
    made = assembling.messages(session, [message_id, reply_id])
    shown = assembling.thread_ending_in(thread, made[reply_id])
    return Sent.model_construct(thread=shown, message=made[message_id], reply=made[reply_id])


def _thread(session: Session, user_id: UUID, draft: Draft) -> Thread:
    """The thread to post to, its row locked: parallel posts to one thread take turns from here."""
    if draft.thread_id is None:
        thread_id = new_id()
        title = draft.title or _title(draft.content)
        session.execute(insert(Thread).values(id=thread_id, user_id=user_id, title=title))
        return owning.thread(session, user_id, thread_id)
    touched = update(Thread).where(owning.owned(user_id, draft.thread_id)).values(updated_at=now())
    row = session.scalars(touched.returning(Thread)).one_or_none()
    if row is None:
        raise NotFound("thread")
    if row.title is None:
        row.title = draft.title or _title(draft.content)
    return row


def _title(content: str) -> str:
    line = content.strip().splitlines()[0].rstrip()
    return line if len(line) <= _TITLE_CHARS else line[: _TITLE_CHARS - 1].rstrip() + "…"


def _model(session: Session, user_id: UUID, thread: Thread, draft: Draft) -> str:
    """The model id of this reply: the message's, else the thread's, else the user's, else the default."""
    preferred = session.scalars(select(User.preferences).where(User.id == user_id)).one()
    chosen = draft.parameters.get("model") or thread.settings.get("model") or preferred.get("model")
    try:
        model_id = str(chosen or catalog.default_model(settings()))
        catalog.find(settings(), model_id)
    except ModelUnavailable as error:
        raise InvalidField("model", str(error)) from None
    return model_id


def _predecessor(session: Session, leaf: UUID | None) -> UUID | None:
    """The job at the end of the branch, which the new one waits for; none where it ended after a turn of its own."""
    if leaf is None:
        return None
    last = select(Job.id).join(Message, Message.job_id == Job.id).where(Message.id == leaf)
    return session.scalars(last.where(or_(Job.status.not_in(TERMINAL), Job.started_at.is_(None)))).one_or_none()
