"""Taking a message back before anybody has begun to answer it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.chat import assembling, locking, notices, pairing, steering, telling
from app.chat.errors import AlreadyStarted
from app.chat.objects import MessageObject
from app.clock import now
from app.database import transaction
from app.models import Job, Message, Status, Thread


@dataclass(slots=True)
class _Removal:
    """Which messages go, and what takes their place in the path. `told`: those whose end is told. `freed`: jobs that
    may be able to begin when it is done; `made`: new ones; `heir`: the job of the reply that takes its place."""

    ids: list[UUID]
    place: UUID | None
    told: list[MessageObject]
    freed: list[UUID] = field(default_factory=list)
    made: list[UUID] = field(default_factory=list)
    heir: UUID | None = None


def withdraw(user_id: UUID, message_id: UUID) -> None:
    """Remove a queued message and its reply, named by either; what is queued behind keeps its order.

    Of several replies to one message, the one that is named goes alone. Raises NotFound, or AlreadyStarted when a
    worker was quicker or somebody has cancelled it.
    """
    with transaction() as session:
        thread, message = locking.message(session, user_id, message_id)
        if _is_unread(session, message):
            removal = _Removal([message.id], message.parent_id, _shown(session, [message.id]))
            _remove(session, thread, removal)
        else:
            removal = _take_back(session, thread, message)
        session.refresh(thread)
        changed = assembling.thread(session, thread)
    for gone in removal.told:
        telling.taken_back(gone)
    notices.thread_updated(changed)
    telling.enqueued(removal.made)
    telling.freed(removal.freed)


def _is_unread(session: Session, message: Message) -> bool:
    """Whether it steers a reply that has not read it; it is locked, so that it cannot be read now."""
    unread = select(Message.id).where(Message.id == message.id, Message.steers_job_id.is_not(None))
    return session.scalars(unread.with_for_update(key_share=True)).one_or_none() is not None


def _take_back(session: Session, thread: Thread, message: Message) -> _Removal:
    """The jobs go first: only if all can, the messages follow. What steered one becomes a message of its own."""
    gone, removal = _planned(session, message)
    jobs = [(reply.job_id, str(reply.model_id)) for reply in gone if reply.job_id is not None]
    for job_id, _ in jobs:
        removal.freed += _remove_job(session, job_id, removal.heir)
    steers = [(steering.steers_of(session, job_id), model_id) for job_id, model_id in jobs]
    _remove(session, thread, removal)
    for unread, model_id in steers:
        removal.made += steering.enqueue(session, unread, removal.place, model_id) if unread else []
    return removal


def _planned(session: Session, message: Message) -> tuple[list[Message], _Removal]:
    """The replies that go, and the whole removal. Raises AlreadyStarted where there is no queued reply at all."""
    asked = message if message.role == "user" else session.get(Message, message.parent_id)
    answers = select(Message).where(Message.role == "assistant").order_by(Message.id)
    replies = list(session.scalars(answers.where(Message.parent_id == asked.id))) if asked is not None else []
    others = [reply for reply in replies if reply.id != message.id]
    if asked is None or not replies or any(reply.job_id is None for reply in replies):
        raise AlreadyStarted
    if message.role != "user" and others:
        shown = _shown(session, [message.id])
        return [message], _Removal([message.id], others[-1].id, shown, heir=others[-1].job_id)
    ids = [reply.id for reply in replies]
    return replies, _Removal([*ids, asked.id], asked.parent_id, _shown(session, ids))


def _remove_job(session: Session, job_id: UUID, heir: UUID | None) -> list[UUID]:
    """Delete a job that nobody has begun or wishes to cancel; what waited for it waits for `heir`, which takes its
    place, or else for what it waited for.

    Returns the ids of those. Raises AlreadyStarted when a claim, or a cancel, was quicker.
    """
    behind = list(session.scalars(select(Job.id).where(Job.after_id == job_id)))
    queued = (Job.status.in_((Status.PENDING, Status.WAITING)), Job.attempt == 0, Job.cancel_requested_at.is_(None))
    removed = session.execute(delete(Job).where(Job.id == job_id, *queued).returning(Job.after_id)).one_or_none()
    if removed is None:
        raise AlreadyStarted
    session.execute(update(Job).where(Job.id.in_(behind)).values(after_id=heir or removed.after_id))
    return behind


def _remove(session: Session, thread: Thread, removal: _Removal) -> None:
    """Delete the messages; what stood below them stands below what was above."""
    below = update(Message).where(Message.parent_id.in_(removal.ids), Message.id.not_in(removal.ids))
    session.execute(below.values(parent_id=removal.place, updated_at=now()))
    session.execute(delete(Message).where(Message.id.in_(removal.ids)))
    was_end = thread.active_message_id in removal.ids
    pairing.end_in(session, thread.id, removal.place if was_end else thread.active_message_id)


def _shown(session: Session, ids: list[UUID]) -> list[MessageObject]:
    return list(assembling.messages(session, ids).values())
