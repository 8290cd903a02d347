"""The rows of a question and its answer: a user's message, the pending reply to it and the job that writes that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Row, bindparam, insert, or_, select, update
from sqlalchemy.orm import Session

from app.chat import assembling
from app.chat.goals import Goal
from app.chat.objects import MessageObject
from app.clock import now
from app.ids import new_id
from app.jobs import queue
from app.models import TERMINAL, Job, Message, Status, Thread, among
from app.models.columns import attributes, table

# The Celery task that writes replies. Named, not imported: a test proves that it is registered.
PROCESS_MESSAGE = "tasks.process_message"

# What all their jobs have in common.
JOB = {"task": PROCESS_MESSAGE, "queue": queue.REPLIES, "next_publish_at": now(queue.FIRST_AGAIN_SECONDS)}

# Built once: to build a statement costs more than to send it.
_INSERT_JOB = insert(table(Job)).values(JOB).returning(*(table(Job).c[name] for name in assembling.Work._fields))
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
    .where(or_(~among(table(Job).c.status, TERMINAL), Job.started_at.is_(None)))
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


class Home(TypedDict):
    """Where a message belongs, as its row says it."""

    thread_id: UUID
    user_id: UUID


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
    home = Home(thread_id=thread.id, user_id=thread.user_id)
    rows = [
        question_row(home, message_id, leaf, question),
        reply_row(home, reply_id, message_id, job.id, wanted),
    ]
    made = {row.id: row for row in session.execute(_INSERT_MESSAGES, rows)}
    return assembling.posted(session, made[message_id], made[reply_id], job)


def store_reply(session: Session, thread: Row[Any] | Thread, message_id: UUID, wanted: Wanted) -> UUID:
    """One more reply to a message; returns its id. The thread's row is locked."""
    reply_id = new_id()
    job = _job(session, thread.id, message_id, wanted)
    home = Home(thread_id=thread.id, user_id=thread.user_id)
    row = reply_row(home, reply_id, message_id, job.id, wanted)
    session.execute(_INSERT_MESSAGES, [row])
    return reply_id


def end_in(session: Session, thread_id: UUID, leaf: UUID | None) -> Row[Any]:
    """Make `leaf` the end of the path that is shown; returns the thread's row."""
    return session.execute(_END_IN, {"thread": thread_id, "leaf": leaf}).one()


def reply_above(session: Session, leaf: UUID | None) -> UUID | None:
    """`leaf`, or the nearest message above it that no user wrote; None at the top."""
    return session.scalars(_REPLY_ABOVE, {"leaf": leaf}).one_or_none() if leaf is not None else None


def question_row(home: Home, message_id: UUID, leaf: UUID | None, question: Question) -> dict[str, Any]:
    """What is given of a question's row."""
    row: dict[str, Any] = {**home, "id": message_id, "parent_id": leaf}
    row |= {"role": question.role, "content": question.content, "metadata": dict(question.metadata)}
    row |= {"attachments": question.attachments, "call_id": question.call_id}
    return row | {"job_id": None, "model_id": None, "parameters": {}, "fingerprint": None}


def reply_row(home: Home, reply_id: UUID, message_id: UUID, job_id: UUID, wanted: Wanted) -> dict[str, Any]:
    """What is given of a pending reply's row: the same columns as of a question's."""
    row: dict[str, Any] = {**home, "id": reply_id, "parent_id": message_id}
    row |= {"role": "assistant", "content": "", "metadata": dict(wanted.metadata)}
    row |= {"attachments": [], "call_id": None, "job_id": job_id, "model_id": wanted.model_id}
    return row | {"parameters": dict(wanted.parameters), "fingerprint": wanted.fingerprint}


def job_row(thread_id: UUID, after_id: UUID | None, wanted: Wanted) -> dict[str, Any]:
    """What is given of the row of a job that is due now; it begins with the text that is there already."""
    row: dict[str, Any] = {"id": new_id(), "thread_id": thread_id, "after_id": after_id, "publishes": 1}
    row |= {"request_id": wanted.request_id, "settled": wanted.text, "checkpoint": wanted.text}
    goal = Goal.of(wanted.parameters)
    return row | {"more_seconds": goal.max_seconds if goal is not None else 0}


def _job(session: Session, thread_id: UUID, leaf: UUID | None, wanted: Wanted) -> Row[Any]:
    """The job of a reply below `leaf`: pending, or waiting where it shall start later."""
    making = _INSERT_JOB
    if wanted.after_seconds:
        making = making.values(status=Status.WAITING, wake_at=now(wanted.after_seconds))
    return session.execute(making, job_row(thread_id, _predecessor(session, leaf), wanted)).one()


def _predecessor(session: Session, leaf: UUID | None) -> UUID | None:
    """The job at the end of the branch, which the new one waits for; none where it ended after a turn of its own."""
    return session.scalars(_PREDECESSOR, {"leaf": leaf}).one_or_none() if leaf is not None else None
