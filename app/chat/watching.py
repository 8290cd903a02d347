"""What open streams are told about the database: one batched look for all of them, shared."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, or_, select
from sqlalchemy.orm import Session

from app.chat import assembling, notices
from app.chat.objects import MessageObject
from app.clock import iso, now
from app.database import reading
from app.models import ACTIVE, TERMINAL, Job, Message, Status, Thread, among
from app.models.columns import table
from app.stream import events
from app.stream.events import Event
from app.stream.subscription import Interest

# How long after its end a reply is still looked at: far longer than a reader can have missed its last event.
_ENDED_SECONDS = 120

# Built once: a process with thousands of open streams looks many times a second, and holds all of them up meanwhile.
_thread, _job, _message = table(Thread).c, table(Job).c, table(Message).c
_ids: BindParameter[list[UUID]] = bindparam("ids", expanding=True)
_SHOWN = select(_thread.id, _thread.user_id).where(_thread.id.in_(_ids), _thread.deleted_at.is_(None))
_STATES = (
    select(_message.id, _job.thread_id, _job.status, _job.attempt)
    .join_from(table(Job), table(Message), _message.job_id == _job.id)
    .where(_job.thread_id.in_(_ids), or_(among(_job.status, ACTIVE), _job.finished_at > now(-_ENDED_SECONDS)))
    .order_by(_job.id)
)
_STATES_WITH_TEXT = _STATES.add_columns(_job.checkpoint)
_uuid = lru_cache(maxsize=20_000)(UUID)  # the same thousands again and again

# Which of these credentials may read at this moment, and whose they are.
Owners = Callable[[Session, set[str]], Mapping[str, UUID]]


@dataclass(frozen=True, slots=True)
class ReplyState:
    """A reply that runs or ended lately; `text` is read only while Redis is away."""

    message_id: str
    status: Status
    attempt: int
    text: str | None


@dataclass(slots=True)
class Sight:
    """One look: which interests may go on, and the replies of their threads."""

    allowed: frozenset[Interest]
    replies: Mapping[str, tuple[ReplyState, ...]]
    _ended: dict[str, Event] = field(default_factory=dict)
    _paused: dict[str, Event | None] = field(default_factory=dict)

    def concerns(self, interest: Interest) -> bool:
        """Whether its reader must go, or has a reply to look at: most of thousands of idle streams sleep on."""
        return interest.thread_id in self.replies or interest not in self.allowed

    def last_event(self, message_id: str) -> Event | None:
        """The last event of an ended reply, made from the database once for all readers."""
        if message_id not in self._ended:
            with reading() as session:
                message = assembling.message(session, UUID(message_id))
                cursor = session.scalars(select(Message.terminal_cursor).where(Message.id == UUID(message_id))).first()
            if message is None:
                return None
            self._ended[message_id] = last_event(message, cursor)
        return self._ended[message_id]

    def pause_event(self, message_id: str) -> Event | None:
        """The event of a reply that waits or asks, made from the database once for all readers."""
        if message_id not in self._paused:
            with reading() as session:
                message = assembling.message(session, UUID(message_id))
            self._paused[message_id] = pause_event(message) if message is not None else None
        return self._paused[message_id]


def pause_event(message: MessageObject) -> Event | None:
    """What a message that waits or asks says about that; None for any other. It stands in no log."""
    ids = (str(message.thread_id), str(message.id), message.attempt)
    if message.status is Status.WAITING:
        return Event(events.WAITING, *ids, {"wake_at": iso(message.wake_at), "reason": "waiting"})
    if message.status is Status.REQUIRES_ACTION:
        return Event(events.REQUIRES_ACTION, *ids, {"required_action": message.required_action})
    return None


def last_event(message: MessageObject, cursor: str | None) -> Event:
    """The last event of an ended message, at its place in the log, or at "end" where it has none."""
    type_ = {Status.FAILED: events.FAILED, Status.CANCELLED: events.CANCELLED}.get(message.status, events.COMPLETED)
    return notices.message_event(type_, message).at(cursor or events.END_CURSOR)


def look(owners: Owners, interests: set[Interest], degraded: bool) -> Sight:
    """Three queries, however many streams are open."""
    id_of = {interest.thread_id: _uuid(interest.thread_id) for interest in interests}
    ids = list(id_of.values())
    with reading() as session:
        owner_of = owners(session, {interest.credential for interest in interests})
        _give_way()
        threads = {row.id: row.user_id for row in session.execute(_SHOWN, {"ids": ids})}
        _give_way()
        replies = _replies(session, ids, degraded)
    allowed = frozenset(
        interest
        for interest in interests
        if (owner := owner_of.get(interest.credential)) is not None and threads.get(id_of[interest.thread_id]) == owner
    )
    return Sight(allowed, replies)


def _give_way() -> None:
    """With gevent SQLite lets nobody else run until it has answered; a reader's token need not wait for all three."""
    time.sleep(0)


def _replies(session: Session, ids: list[UUID], degraded: bool) -> dict[str, tuple[ReplyState, ...]]:
    rows = session.execute(_STATES_WITH_TEXT if degraded else _STATES, {"ids": ids})
    found: dict[str, tuple[ReplyState, ...]] = {}
    for row in rows:
        text = row.checkpoint if degraded and row.status not in TERMINAL else None
        state = ReplyState(str(row.id), row.status, row.attempt, text)
        found[str(row.thread_id)] = (*found.get(str(row.thread_id), ()), state)
    return found
