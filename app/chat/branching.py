"""Branches: another reply to the same message, another message in the same place; nothing is overwritten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile
from typing import Any, Unpack
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.chat import assembling, choosing, locking, pairing, sending
from app.chat.errors import InvalidField, NotContinuable
from app.chat.objects import MessageObject, Sent
from app.chat.pairing import Question, Wanted
from app.chat.sending import Origin
from app.clock import now
from app.ids import new_id
from app.models import Job, Message, Status, Thread

# How a reply ends that a limit has cut.
_CUT = frozenset({"length", "budget", "tool_limit"})
# What a parameter of that name says is true of one reply alone.
_CONTINUES = "continues"


def regenerate(user_id: UUID, message_id: UUID, parameters: Mapping[str, Any], **origin: Unpack[Origin]) -> Sent:
    """Another reply beside this one, which becomes the active one; `parameters` replace those of the old.

    Raises NotFound, InvalidField (message_id, model), Repeated or KeyReused.
    """

    def store(session: Session) -> Sent:
        thread, old = locking.message(session, user_id, message_id)
        if old.role != "assistant" or old.parent_id is None:
            raise InvalidField("message_id", "is no reply to a message; regenerate a reply")
        return _sibling(session, thread, old, _wanted(session, thread, old, parameters, origin))

    return sending.accept(store, origin.get("once"), origin.get("render"), lambda sent: [sent.reply])


def proceed(user_id: UUID, message_id: UUID, **origin: Unpack[Origin]) -> Sent:
    """A reply beside one that was cut by a limit: it begins with the old one's text and goes on from there.

    Raises NotFound, NotContinuable, InvalidField (model), Repeated or KeyReused.
    """

    def store(session: Session) -> Sent:
        thread, old = locking.message(session, user_id, message_id)
        if old.role != "assistant" or old.parent_id is None or old.finish_reason not in _CUT:
            raise NotContinuable
        wanted = _wanted(session, thread, old, {_CONTINUES: str(old.id)}, origin)
        return _sibling(session, thread, old, replace(wanted, text=old.content))

    return sending.accept(store, origin.get("once"), origin.get("render"), lambda sent: [sent.reply])


def edit(user_id: UUID, message_id: UUID, content: str, **origin: Unpack[Origin]) -> Sent:
    """The user's message with another `content`, in a branch of its own, with a new reply.

    One that nobody has begun to answer is changed where it stands. Raises NotFound, InvalidField (message_id, model),
    Repeated or KeyReused.
    """

    def store(session: Session) -> Sent:
        thread, old = locking.message(session, user_id, message_id)
        if old.role != "user":
            raise InvalidField("message_id", "is not what a user wrote; edit a user's message, regenerate a reply")
        reply_id = _unread(session, message_id) or _queued(session, message_id)
        if reply_id is not None:
            return _rewrite(session, thread, message_id, content, reply_id)
        session.refresh(old)  # it may have been read just now, which moves it
        return _beside(session, thread, old, content, origin)

    def made(sent: Sent) -> list[MessageObject]:
        """Of a message that was changed where it stands readers are told again; its reply is not new."""
        return [sent.message] if sent.message.id == message_id else [sent.message, sent.reply]

    return sending.accept(store, origin.get("once"), origin.get("render"), made)


def _wanted(session: Session, thread: Thread, old: Message, given: Mapping[str, Any], origin: Origin) -> Wanted:
    """A reply as the old one was wanted, but for what is given. Raises InvalidField (model)."""
    kept = {name: value for name, value in old.parameters.items() if name != _CONTINUES}
    model_id = choosing.model(session, thread.user_id, thread.settings, given.get("model") or old.model_id)
    return Wanted(model_id, kept | dict(given), origin.get("request_id"))


def _sibling(session: Session, thread: Thread, old: Message, wanted: Wanted) -> Sent:
    assert old.parent_id is not None
    reply_id = pairing.store_reply(session, thread, old.parent_id, wanted)
    row = pairing.end_in(session, thread.id, reply_id)
    shown = assembling.messages(session, [old.parent_id, reply_id])
    reply = shown[reply_id]
    return Sent(thread=assembling.thread_ending_in(row, reply), message=shown[old.parent_id], reply=reply)


def _beside(session: Session, thread: Thread, old: Message, content: str, origin: Origin) -> Sent:
    """A new message in the place of the old one, to be answered as that was."""
    replies = select(Message).where(Message.parent_id == old.id, Message.role == "assistant")
    answered = session.scalars(replies.order_by(Message.id.desc())).first()
    ids = new_id(), new_id()
    wanted = _wanted(session, thread, answered or old, {}, origin)
    wanted = replace(wanted, parameters=_with_items(wanted.parameters, old.id, ids[0]))
    question = Question(content, old.meta, old.attachments)
    message, reply = pairing.store(session, thread, old.parent_id, question, wanted, ids=ids)
    row = pairing.end_in(session, thread.id, reply.id)
    return Sent(thread=assembling.thread_ending_in(row, reply), message=message, reply=reply)


def _with_items(parameters: Mapping[str, Any], old_id: UUID, new_id_: UUID) -> dict[str, Any]:
    """What a reply was asked for with, now that one message among that is another one and the last."""
    if "items" not in parameters:
        return dict(parameters)
    above = takewhile(lambda id_: id_ != str(old_id), parameters["items"])
    return {**parameters, "items": [*above, str(new_id_)]}


def _rewrite(session: Session, thread: Thread, message_id: UUID, content: str, reply_id: UUID) -> Sent:
    """Change the message where it stands; nobody has read it."""
    session.execute(update(Message).where(Message.id == message_id).values(content=content, updated_at=now()))
    session.execute(update(Thread).where(Thread.id == thread.id).values(updated_at=now()))
    session.refresh(thread)
    shown = assembling.messages(session, [message_id, reply_id])
    return Sent(thread=assembling.thread(session, thread), message=shown[message_id], reply=shown[reply_id])


def _unread(session: Session, message_id: UUID) -> UUID | None:
    """The reply that this message steers and has not read yet; the message is locked, so that it cannot be read now."""
    steers = select(Message.steers_job_id).where(Message.id == message_id, Message.steers_job_id.is_not(None))
    job_id = session.scalars(steers.with_for_update(key_share=True)).one_or_none()
    if job_id is None:
        return None
    return session.scalars(select(Message.id).where(Message.job_id == job_id)).one_or_none()


def _queued(session: Session, message_id: UUID) -> UUID | None:
    """The newest reply to a message, if none was begun; their jobs are locked: a claim waits, or was quicker."""
    columns = (Message.id, Job.status, Job.attempt, Job.cancel_requested_at)
    jobs = select(*columns).join(Job, Job.id == Message.job_id).where(Message.parent_id == message_id)
    replies = session.execute(jobs.order_by(Job.id).with_for_update(of=Job, key_share=True)).all()
    waiting = {Status.PENDING, Status.WAITING}
    begun = any(row.attempt or row.status not in waiting or row.cancel_requested_at is not None for row in replies)
    return replies[-1].id if replies and not begun else None
