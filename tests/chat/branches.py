"""What the tests of several modules do to a branch: post to it, run its replies, look at its path."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from uuid import UUID

from flask import Flask

from app.chat import reading, sending, steering
from app.chat.objects import MessageObject, Sent
from app.chat.outcome import Outcome
from app.chat.sending import Draft
from app.database import reading as reads
from app.database import transaction
from app.extensions import redis
from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.models import Job, Message, Status
from app.stream import log
from tests.support import rows

T = TypeVar("T")


def post(user_id: UUID, thread_id: UUID | None = None, content: str = "hello", **more: Any) -> Sent:
    return sending.send_message(user_id, Draft(content, thread_id, **more))


def job_of(sent: Sent) -> Job:
    assert sent.reply.job_id is not None
    return rows.job(sent.reply.job_id)


def claim(job_id: UUID | None, lease_id: UUID | None = None) -> Claim | None:
    assert job_id is not None
    lease = lease_id or rows.a_lease()
    with transaction() as session:
        return lifecycle.claim(session, job_id, lease, 600, 3)


def begun(sent: Sent) -> Claim:
    """Claim the reply, as a worker."""
    made = claim(sent.reply.job_id)
    assert made is not None
    return made


def ending(text: str = "done", reason: str = "stop", status: Status = Status.COMPLETED) -> Outcome:
    return Outcome(status, text, reason)


def path(user_id: UUID, thread_id: UUID) -> list[MessageObject]:
    """The active path, oldest first."""
    return list(reading.path(user_id, thread_id, limit=200, cursor=None).items)


def ids(user_id: UUID, thread_id: UUID) -> list[UUID]:
    return [message.id for message in path(user_id, thread_id)]


def tree(user_id: UUID, thread_id: UUID) -> dict[UUID, MessageObject]:
    """Every message of the thread."""
    return {message.id: message for message in reading.tree(user_id, thread_id, limit=200, cursor=None).items}


def told(thread_id: UUID) -> list[tuple[str, str | None]]:
    return [(event.type, event.message_id) for event in log.read_tail(redis(), str(thread_id))]


def take(sent: Sent) -> list[str]:
    """What the running reply is told before its next model call."""
    assert sent.reply.job_id is not None
    with transaction() as session:
        return steering.take_steers(session, sent.reply.job_id, sent.reply.id)


def parameters(sent: Sent) -> dict[str, Any]:
    with reads() as session:
        return session.get_one(Message, sent.reply.id).parameters


class Blocked(Generic[T]):
    """An action in a thread of its own, which something keeps from its end: it fails at once if nothing does."""

    def __init__(self, app: Flask, action: Callable[[], T]) -> None:
        def act() -> None:
            with app.app_context():
                self._found.append(action())

        self._found: list[T] = []
        self._thread = threading.Thread(target=act)
        self._thread.start()
        self._thread.join(0.3)
        assert self._thread.is_alive(), "nothing kept it"

    def end(self) -> T:
        """What it returned, now that nothing keeps it any more."""
        self._thread.join(20)
        return self._found[0]
