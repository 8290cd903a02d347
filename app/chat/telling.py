"""What the readers of a thread are told after a commit; losing it costs them nothing but a moment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from sqlalchemy import select

from app.chat import assembling, notices, steps
from app.chat.objects import MessageObject
from app.chat.pairing import PROCESS_MESSAGE
from app.clock import iso
from app.database import reading
from app.jobs import queue, statements
from app.models import Job, Message, Status, Thread
from app.stream import events
from app.stream.events import Event


def accepted(messages: Iterable[MessageObject]) -> None:
    """Tell of new messages, and wake a worker for a reply that can begin at once."""
    made = list(messages)
    ready = [each.job_id for each in made if each.status is Status.PENDING and each.queue_position is None]
    with notices.sending(*(notices.message_event(events.CREATED, each) for each in made)):
        for job_id in filter(None, ready):
            queue.publish(job_id, PROCESS_MESSAGE, queue.REPLIES)
    for reply in made:
        if reply.status is Status.WAITING:
            waits(reply, "It shall be answered later.")


def enqueued(job_ids: Sequence[UUID]) -> None:
    """Tell of messages that are ordinary ones now, with the replies of these new jobs, and wake workers for those."""
    if not job_ids:
        return
    with reading() as session:
        pairs = session.execute(select(Message.id, Message.parent_id).where(Message.job_id.in_(job_ids))).all()
        found = assembling.messages(session, [id_ for pair in pairs for id_ in pair if id_ is not None])
    accepted(found[id_] for id_ in sorted(found))


def freed(job_ids: Sequence[UUID]) -> None:
    """Wake workers for those of these jobs that can begin now."""
    if not job_ids:
        return
    ready = select(Job.id).where(Job.id.in_(job_ids), Job.status == Status.PENDING, statements.UNBLOCKED)
    with reading() as session:
        ids = session.scalars(ready).all()
    for job_id in ids:
        queue.publish(job_id, PROCESS_MESSAGE, queue.REPLIES)


def resumed(message: MessageObject) -> None:
    """Tell that a reply waits no longer, and wake a worker for it."""
    with reading() as session:
        shown = assembling.thread(session, session.get_one(Thread, message.thread_id), message)
    notices.thread_updated(shown)
    freed([message.job_id] if message.job_id is not None else [])


def called(message: MessageObject, call_ids: Collection[UUID]) -> None:
    """Tell what has become of these tool calls; one that is still to be made is told of when it is."""
    ids = (str(message.thread_id), str(message.id), message.attempt)
    for call in message.tool_invocations:
        type_ = steps.EVENTS.get(call.status)
        if call.id in call_ids and type_ is not None:
            notices.send(Event(type_, *ids, {"invocation": call.public()}))


def waits(message: MessageObject, reason: str) -> None:
    """Tell until when a reply waits, and why."""
    fields = {"wake_at": iso(message.wake_at), "reason": reason}
    notices.send(Event(events.WAITING, str(message.thread_id), str(message.id), message.attempt, fields))


def taken_back(message: MessageObject) -> None:
    """Tell that a message is no more, as its last event."""
    gone = message.model_copy(update={"status": Status.CANCELLED, "finish_reason": "cancelled", "wake_at": None})
    notices.send(notices.message_event(events.CANCELLED, gone))
