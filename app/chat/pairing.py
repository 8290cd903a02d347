"""The rows of a question and its answer: a user's message, the pending reply to it and the job that writes that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Row, bindparam, insert, or_, select, update
from sqlalchemy.orm import Session

from app.chat import assembling
from app.chat.goals import Goal
from app.chat.objects import MessageObject
from app.clock import now
from app.ids import new_id
from app.jobs import queue
from app.models import TERMINAL, Job, Message, Status, Thread
from app.models.columns import attributes, table

# The Celery task that writes replies. Named, not imported: a test proves that it is registered.
PROCESS_MESSAGE = "tasks.process_message"

# Built once: to build a statement costs more than to send it.
_INSERT_JOB = (
    insert(table(Job))
    .values(task=PROCESS_MESSAGE, queue=queue.REPLIES, next_publish_at=now(queue.FIRST_AGAIN_SECONDS))
    .returning(*(table(Job).c[name] for name in assembling.Work._fields))
)
_INSERT_MESSAGES = insert(table(Message)).returning(*attributes(Message))
_END_IN = (
    update(table(Thread))
    .where(Thread.id == bindparam("thread"))
    .values(active_message_id=bindparam("leaf"), updated_at=now())
    .returning(*attributes(Thread))
)


def _upwards(further: Callable[[CTE], ColumnElement[bool]]) -> CTE:
    """A message and those above it, as long as it goes `further` up from one."""
    columns = (Message.id, Message.parent_id, Message.role, Message.job_id)
    up = select(*columns).where(Message.id == bindparam("leaf")).cte("up", recursive=True)
    return up.union_all(select(*columns).join(up, Message.id == up.c.parent_id).where(further(up)))


# Users may have written several in a row; whatever has no job came from elsewhere, and nothing waits for it.
_USERS = _upwards(lambda up: up.c.role == "user")
_JOBLESS = _upwards(lambda up: up.c.job_id.is_(None))
_REPLY_ABOVE = select(_USERS.c.id).where(_USERS.c.role != "user")
_PREDECESSOR = (
    select(Job.id)
    .join(_JOBLESS, _JOBLESS.c.job_id == Job.id)
    .where(or_(Job.status.not_in(TERMINAL), Job.started_at.is_(None)))
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is answered, mostly what a user writes. `content` is clean; `call_id` is the call that a tool answers."""

    content: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    attachments: list[Any] = field(default_factory=list)
    role: str = "user"
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The reply that is wanted: by which model, with what, how many seconds from now at the earliest; `text` is what
    it begins with. `fingerprint` tells equal requests for it."""

    model_id: str
    parameters: Mapping[str, Any]
    request_id: str | None = None
    after_seconds: float = 0
    text: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None


def store(
    session: Session,
    thread: Row[Any] | Thread,
    leaf: UUID | None,
    question: Question,
    wanted: Wanted,
    *,
    ids: tuple[UUID, UUID] | None = None,
) -> tuple[MessageObject, MessageObject]:
    """A message below `leaf` and its reply, which waits for what is unfinished above. The thread's row is locked.

    `ids`, where they are known already: the message's, then the reply's, in that order by time.
    """
    message_id, reply_id = ids or (new_id(), new_id())
    job = _job(session, thread.id, leaf, wanted)
    asked: dict[str, Any] = {"id": message_id, "parent_id": leaf, "role": question.role, "content": question.content}
    asked |= {"metadata": dict(question.metadata), "attachments": question.attachments, "call_id": question.call_id}
    asked |= {"job_id": None, "model_id": None, "parameters": {}, "fingerprint": None}
    rows = [_common(thread) | asked, _common(thread) | _reply(reply_id, message_id, job.id, wanted)]
    made = {row.id: row for row in session.execute(_INSERT_MESSAGES, rows)}
    return assembling.posted(session, made[message_id], made[reply_id], job)


def store_reply(session: Session, thread: Row[Any] | Thread, message_id: UUID, wanted: Wanted) -> UUID:
    """One more reply to a message; returns its id. The thread's row is locked."""
    reply_id = new_id()
    job = _job(session, thread.id, message_id, wanted)
    session.execute(_INSERT_MESSAGES, [_common(thread) | _reply(reply_id, message_id, job.id, wanted)])
    return reply_id


def end_in(session: Session, thread_id: UUID, leaf: UUID | None) -> Row[Any]:
    """Make `leaf` the end of the path that is shown; returns the thread's row."""
    return session.execute(_END_IN, {"thread": thread_id, "leaf": leaf}).one()


def reply_above(session: Session, leaf: UUID | None) -> UUID | None:
    """`leaf`, or the nearest message above it that no user wrote; None at the top."""
    return session.scalars(_REPLY_ABOVE, {"leaf": leaf}).one_or_none() if leaf is not None else None


def _job(session: Session, thread_id: UUID, leaf: UUID | None, wanted: Wanted) -> Row[Any]:
    """The job of a reply below `leaf`: pending, or waiting where it shall start later."""
    given: dict[str, Any] = {"id": new_id(), "thread_id": thread_id, "after_id": _predecessor(session, leaf)}
    given |= {"request_id": wanted.request_id, "publishes": 1}
    making = _INSERT_JOB
    if wanted.text:
        given |= {"settled": wanted.text, "checkpoint": wanted.text}
    if (goal := Goal.of(wanted.parameters)) is not None:
        given |= {"more_seconds": goal.max_seconds}
    if wanted.after_seconds:
        making = making.values(status=Status.WAITING, wake_at=now(wanted.after_seconds))
    return session.execute(making, given).one()


def _predecessor(session: Session, leaf: UUID | None) -> UUID | None:
    """The job at the end of the branch, which the new one waits for; none where it ended after a turn of its own."""
    return session.scalars(_PREDECESSOR, {"leaf": leaf}).one_or_none() if leaf is not None else None


def _common(thread: Row[Any] | Thread) -> dict[str, Any]:
    return {"thread_id": thread.id, "user_id": thread.user_id}


def _reply(reply_id: UUID, message_id: UUID, job_id: UUID, wanted: Wanted) -> dict[str, Any]:
    made = {"id": reply_id, "parent_id": message_id, "role": "assistant", "content": "", "job_id": job_id}
    made |= {"metadata": dict(wanted.metadata), "attachments": [], "call_id": None, "model_id": wanted.model_id}
    made |= {"parameters": dict(wanted.parameters), "fingerprint": wanted.fingerprint}
    return made
