"""One reader's way through a thread: a snapshot, the kept log, then what arrives, healed where text is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

from redis.exceptions import RedisError
from sqlalchemy import bindparam, select

from app.chat import assembling, owning, reading, snapshots, watching
from app.chat.objects import MessageObject
from app.chat.seen import Seen, Verdict
from app.chat.snapshots import Tail
from app.chat.watching import Sight
from app.database import reading as reads
from app.extensions import redis, settings
from app.models import TERMINAL, Message, Status
from app.models.columns import table
from app.stream import events, log
from app.stream.events import Event
from app.stream.hub import Hub
from app.stream.steps import ASK, Steps, Wait
from app.stream.subscription import Closed, Exit, Interest, Item, Lagged, Look

_SNAPSHOT_MESSAGES = 50
_PAUSED = frozenset({Status.WAITING, Status.REQUIRES_ACTION})

# Built once: to build a statement costs more than to send it.
_message = table(Message).c
_TERMINAL_CURSOR = select(_message.terminal_cursor).where(_message.id == bindparam("message"))


class Follower:
    """A thread's events, or, with `message_id`, those of one reply, for one reader."""

    def __init__(
        self,
        hub: Hub,
        user_id: UUID,
        interest: Interest,
        message_id: str | None,
        *,
        patience: Callable[[], float] | None = None,
        way_out: Exit | None = None,
    ) -> None:
        self._hub = hub
        self._way_out = way_out or Exit()
        usual = settings().heartbeat_comment_seconds
        self._patience = patience or (lambda: usual)
        self._user_id = user_id
        self._interest = interest
        self._thread_id = interest.thread_id
        self._message_id = message_id
        self._seen = Seen()
        self._missing: set[str] = set()

    def steps(self, after: str | None, until: float | None = None, *, just_made: bool = False) -> Steps:
        """Subscribe, then read, then follow."""
        self._seen.resumed = after is not None
        with self._hub.subscribe(self._interest) as subscription:
            self._way_out.leads_from(subscription)
            yield from self._beginning() if just_made else self._since(after)
            beat_at = time.monotonic() + self._patience()
            while not self._done() and (until is None or time.monotonic() < until):
                item = yield Wait(subscription, min(beat_at, until or beat_at))
                if isinstance(item, Closed) or (isinstance(item, Look) and self._interest not in item.seen.allowed):
                    return
                for step in self._told(item):
                    yield step
                    if step is not ASK:
                        beat_at = time.monotonic() + self._patience()
                if time.monotonic() >= beat_at:
                    yield None
                    beat_at = time.monotonic() + self._patience()

    def _done(self) -> bool:
        return self._message_id is not None and self._seen.ended(self._message_id)

    def _told(self, item: Item | None) -> Steps:
        if isinstance(item, Event):
            yield from self._admit(item)
        elif isinstance(item, Lagged):
            yield from self._since(self._seen.cursor)
        elif isinstance(item, Look):
            yield from self._looked(item.seen, item.degraded)

    def _since(self, after: str | None) -> Steps:
        """What the log has after the cursor; a snapshot where it does not hold exactly that entry."""
        yield ASK
        entries = self._entries(after) if after is not None else None
        if entries is None:
            self._seen.resumed = False
            yield from self._snapshot()
            return
        self._seen.cursor = after
        for event in entries:
            yield from self._admit(event)

    def _beginning(self) -> Steps:
        """All that the log has, if it has been there from the thread's first event on; else a snapshot."""
        yield ASK
        try:
            entries = log.read_all(redis(), self._thread_id)
        except RedisError:
            entries = []
        if not entries or entries[0].type != events.CREATED:
            yield from self._snapshot()
        for event in entries:
            yield from self._admit(event)

    def _entries(self, after: str) -> list[Event] | None:
        try:
            return log.read(redis(), self._thread_id, after)
        except RedisError:
            return None

    def _admit(self, event: Event) -> Steps:
        if self._message_id is not None and event.message_id != self._message_id:
            return
        verdict = self._seen.judge(event)
        if event.is_terminal:
            self._missing.discard(str(event.message_id))
        if verdict is Verdict.SEND:
            yield event.at(None) if self._missing else event
        elif verdict is Verdict.GAP:
            yield from self._heal(str(event.message_id))

    def _looked(self, sight: Sight, degraded: bool) -> Steps:
        """What the live way did not bring: ends, text while Redis is away, gaps that a checkpoint has filled since."""
        for state in sight.replies.get(self._thread_id, ()):
            if self._message_id not in {None, state.message_id} or self._seen.ended(state.message_id):
                continue
            if state.status in TERMINAL:
                if self._seen.knows(state.message_id) or self._message_id is not None:
                    yield from self._unheard_end(sight, state.message_id)
            elif degraded and self._seen.behind(state.message_id, state.attempt, len(state.text or "")):
                self._seen.begin(state.message_id, state.attempt, len(state.text or ""))
                yield self._reset(state.message_id, state.attempt, state.text or "", None)
            elif state.message_id in self._missing:
                yield from self._heal(state.message_id)
            elif state.status in _PAUSED and not self._seen.knows_pause(state.message_id, state.attempt):
                yield ASK
                yield from self._pause(sight.pause_event(state.message_id))

    def _pause(self, event: Event | None) -> Steps:
        """Its worker may have ended between its commit and its event."""
        if event is not None and event.message_id is not None:
            self._seen.pause(event.message_id, event.attempt)
            yield event

    def _unheard_end(self, sight: Sight, message_id: str) -> Steps:
        """An end that a look found before it was heard: first what the log has, which may be more than the end."""
        yield ASK
        if self._seen.cursor is not None:
            for event in self._entries(self._seen.cursor) or ():
                yield from self._admit(event)
        last = None if self._seen.ended(message_id) else sight.last_event(message_id)
        if last is not None and self._message_id is None:
            last = last.at(events.END_CURSOR)  # it may overtake what is on its way: nobody shall resume from there
        yield from self._end(last)

    def _end(self, event: Event | None) -> Steps:
        if event is not None and event.message_id is not None:
            self._seen.end(event.message_id)
            self._missing.discard(event.message_id)
            yield event

    def _honest(self, cursor: str | None) -> str | None:
        """The cursor, unless text before it is missing: who resumed from there would never get it."""
        return None if self._missing else cursor

    def _heal(self, message_id: str) -> Steps:
        """Send the whole text from the row and the log; if even they do not join, a later look tries again."""
        yield ASK
        tail = snapshots.tail(self._thread_id)
        with reads() as session:
            message = assembling.message(session, UUID(message_id))
        if message is None or message.status in TERMINAL:
            return  # its last event follows, by the log or by a look
        text = tail.lengthen(message.content, message.attempt, message_id)
        if not self._seen.behind(message_id, message.attempt, len(text)):
            self._missing.add(message_id)
            return
        self._missing.discard(message_id)
        self._seen.begin(message_id, message.attempt, len(text), tail.cursor)
        yield self._reset(message_id, message.attempt, text, None)

    def _reset(self, message_id: str, attempt: int, text: str, cursor: str | None) -> Event:
        fields = {"offset": len(text), "text": text}
        return Event(events.RESET, self._thread_id, message_id, attempt, fields, cursor)

    def _snapshot(self) -> Steps:
        if self._message_id is None:
            yield self._thread_snapshot()
        else:
            yield from self._reply_snapshot(UUID(self._message_id))

    def _reply_snapshot(self, message_id: UUID) -> Steps:
        tail = snapshots.tail(self._thread_id)
        with reads() as session:
            message = assembling.message(session, message_id)
            has_ended = message is not None and message.status in TERMINAL
            cursor = session.scalars(_TERMINAL_CURSOR, {"message": message_id}).first() if has_ended else None
        if message is None:
            return
        if has_ended:
            yield from self._end(watching.last_event(message, cursor))
            return
        text = self._whole(message, tail)
        self._seen.cursor = tail.cursor
        yield self._reset(str(message_id), message.attempt, text, self._honest(tail.cursor))
        yield from self._pause(watching.pause_event(message))

    def _thread_snapshot(self) -> Event:
        tail = snapshots.tail(self._thread_id)
        page = reading.path(self._user_id, UUID(self._thread_id), limit=_SNAPSHOT_MESSAGES, cursor=None)
        with reads() as session:
            shown = assembling.thread(session, owning.thread(session, self._user_id, UUID(self._thread_id)))
        messages = [self._as_known(message, tail) for message in page.items]
        self._seen.cursor = tail.cursor
        cursor = self._honest(tail.cursor)
        fields = {
            "thread": shown.public(),
            "messages": [message.public() for message in messages],
            "next_cursor": page.next_cursor,
            "cursor": cursor,
        }
        return Event(events.THREAD_SNAPSHOT, self._thread_id, fields=fields, cursor=cursor)

    def _as_known(self, message: MessageObject, tail: Tail) -> MessageObject:
        """The message with its text lengthened by the log, and noted as what the client has."""
        if message.role == "user":
            return message  # may be told of again, edited
        if message.status in TERMINAL:
            self._seen.end(str(message.id))
            return message
        known = message.model_copy(update={"content": self._whole(message, tail)})
        if message.status in _PAUSED:
            self._seen.pause(str(message.id), message.attempt)
        return known

    def _whole(self, message: MessageObject, tail: Tail) -> str:
        """Its text as far as row and log join, noted as what the client has; a later look fills what is missing."""
        text = tail.lengthen(message.content, message.attempt, str(message.id))
        if not tail.joins(text, message.attempt, str(message.id)):
            self._missing.add(str(message.id))
        self._seen.begin(str(message.id), message.attempt, len(text), tail.cursor)
        return text
