"""Steering: a message that enters a running reply before its next model call, or, if none follows, queues up after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.orm import Session

from app.chat import assembling, busy, pairing
from app.chat.objects import MessageObject
from app.chat.pairing import Question, Wanted
from app.chat.reading import ancestors
from app.clock import now
from app.ids import new_id
from app.jobs import lifecycle
from app.models import Message, Thread
from app.models.columns import table

# How far above the end of the path a reply is looked for.
_MOST = 10_000


def steer(
    session: Session, thread: Row[Any], question: Question, parameters: dict[str, Any]
) -> tuple[MessageObject, MessageObject] | None:
    """Give `question` to the reply that is being written at the end of the thread, and return both.

    None where there is none, or it does not listen any more. The thread's row is locked.
    """
    found = busy.unfinished(session, thread.id, thread.active_message_id)
    if not found or not lifecycle.steer(session, found[0].job_id):
        return None
    message_id, reply_id = new_id(), found[0].message_id
    made = {"id": message_id, "thread_id": thread.id, "user_id": thread.user_id, "parent_id": reply_id}
    made |= {"role": "user", "content": question.content, "metadata": dict(question.metadata)}
    made |= {"steers_job_id": found[0].job_id, "parameters": parameters}
    session.execute(insert(table(Message)), made)
    shown = assembling.messages(session, [message_id, reply_id])
    return shown[message_id], shown[reply_id]


def take_steers(session: Session, job_id: UUID, reply_id: UUID) -> list[str]:
    """Move what steers `job_id` into the path above its reply, in order; returns the contents.

    To be called in the transaction before a model call, which is then given them.
    """
    steers = steers_of(session, job_id)
    if not steers:
        return []
    above = session.scalars(select(Message.parent_id).where(Message.id == reply_id)).one()
    for row in steers:
        _change(session, row.id, parent_id=above, steers_job_id=None, parameters={})
        above = row.id
    _change(session, reply_id, parent_id=above)
    return [row.content for row in steers]


def enqueue_steered(session: Session, job_id: UUID) -> list[UUID]:
    """Make ordinary messages, each with a reply of its own, of what steers a reply that is ending; their jobs' ids.

    To be called in the transaction that ends the job, after that; the thread's row is locked. The caller publishes.
    """
    steers = steers_of(session, job_id)
    if not steers:
        return []
    reply = session.execute(select(Message.id, Message.model_id).where(Message.job_id == job_id)).one()
    return enqueue(session, steers, reply.id, str(reply.model_id))


def enqueue(session: Session, steers: Sequence[Row[Any]], place: UUID | None, model_id: str) -> list[UUID]:
    """The same for `steers`: at the end of the path that is shown, if `place` is in it, else there."""
    now_ending = select(Thread).where(Thread.id == steers[0].thread_id).execution_options(populate_existing=True)
    thread = session.scalars(now_ending).one()
    is_shown = place is None or place in ancestors(session, thread.active_message_id, _MOST)
    leaf, made = thread.active_message_id if is_shown else place, list[UUID]()
    for row in steers:
        _change(session, row.id, parent_id=leaf, steers_job_id=None, parameters={})
        wanted = Wanted(row.parameters.get("model") or model_id, row.parameters)
        leaf = pairing.store_reply(session, thread, row.id, wanted)
        made.append(leaf)
    if is_shown:
        pairing.end_in(session, thread.id, leaf)
    jobs = select(Message.job_id).where(Message.id.in_(made)).order_by(Message.id)
    return [job_id for job_id in session.scalars(jobs) if job_id is not None]


def steers_of(session: Session, job_id: UUID) -> Sequence[Row[Any]]:
    """What steers a job and was not read yet, oldest first, locked: nobody edits it or takes it back meanwhile."""
    columns = (Message.id, Message.thread_id, Message.content, Message.parameters)
    waiting = select(*columns).where(Message.steers_job_id == job_id).order_by(Message.id)
    return session.execute(waiting.with_for_update(key_share=True)).all()


def _change(session: Session, message_id: UUID, **values: Any) -> None:
    session.execute(update(Message).where(Message.id == message_id).values(updated_at=now(), **values))
