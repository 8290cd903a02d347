"""The writer of one attempt's events: keeps their order, joins deltas, and heals the log after a failed write."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from redis.exceptions import RedisError

from app.stream import events
from app.stream.events import Event
from app.stream.flusher import Flusher, Outcome, Source
from app.stream.log import Refused

_TEXT = frozenset({events.DELTA, events.RESET, events.REASONING})


class Writer:
    """Writes the stream of one reply's attempt through the process's flusher.

    `may_write` is asked before each flush; false keeps everything back (the process's lease may have lapsed), and
    should it come true again, the whole text is sent first.
    `refused` becomes true when a newer attempt owns the log.
    """

    def __init__(
        self, flusher: Flusher, thread_id: str, message_id: str, attempt: int, may_write: Callable[[], bool]
    ) -> None:
        self._flusher = flusher
        self._thread_id = thread_id
        self._message_id = message_id
        self._attempt = attempt
        self._may_write = may_write
        self._pending: list[Event] = []
        self._text: list[str] = []
        self._reasoned = 0
        self._length = 0
        self._broken = False
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._in_flight = False
        self._source = Source(self._take, self._told)
        self.refused = False

    @property
    def text(self) -> str:
        """What the attempt has written so far."""
        with self._lock:
            return "".join(self._text)

    def send(self, type_: str, fields: Mapping[str, Any]) -> None:
        """Queue an event after everything queued before it."""
        with self._lock:
            self._queue(type_, fields)
        self._flusher.ring(self._source)

    def delta(self, text: str) -> None:
        """Add `text` to the reply."""
        with self._lock:
            self._grow(events.DELTA, text, self._length)
            self._text.append(text)
            self._length += len(text)
        self._flusher.ring(self._source)

    def reasoning(self, text: str) -> None:
        """Add `text` to the visible reasoning."""
        with self._lock:
            self._grow(events.REASONING, text, self._reasoned)
            self._reasoned += len(text)
        self._flusher.ring(self._source)

    def reset(self, text: str) -> None:
        """Make the reply's text exactly `text`, for this attempt and for every reader."""
        with self._lock:
            self._text = [text]
            self._length = len(text)
            self._queue(events.RESET, {"offset": len(text), "text": text})
        self._flusher.ring(self._source)

    def settle(self, seconds: float) -> bool:
        """Wait until nothing is queued or in flight; False when `seconds` did not suffice (Redis is away)."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._pending and not self._in_flight, timeout=seconds)

    def _queue(self, type_: str, fields: Mapping[str, Any]) -> None:
        self._pending.append(Event(type_, self._thread_id, self._message_id, self._attempt, fields))

    def _grow(self, type_: str, text: str, offset: int) -> None:
        """Join `text` to the pending event of the same kind, if it is the last: one entry a flush, not one a token."""
        last = self._pending[-1] if self._pending else None
        if last is not None and last.type == type_:
            joined = {"offset": last.fields["offset"], "text": last.fields["text"] + text}
            self._pending[-1] = Event(type_, self._thread_id, self._message_id, self._attempt, joined)
        else:
            self._queue(type_, {"offset": offset, "text": text})

    def _take(self) -> list[Event]:
        with self._lock:
            if self.refused or not self._may_write():
                self._pending = [] if self.refused else [event for event in self._pending if event.type not in _TEXT]
                self._broken = True
                self._idle.notify_all()
                return []
            taken = self._healed() if self._broken else self._pending
            self._pending = []
            self._broken = False
            self._in_flight = bool(taken)
            return taken

    def _healed(self) -> list[Event]:
        """After a write of unknown outcome: first the whole text, which makes pending deltas and resets superfluous."""
        text = "".join(self._text)
        whole = Event(
            events.RESET, self._thread_id, self._message_id, self._attempt, {"offset": self._length, "text": text}
        )
        return [whole, *(event for event in self._pending if event.type not in {events.DELTA, events.RESET})]

    def _told(self, sent: list[Event], outcomes: list[Outcome]) -> None:
        with self._idle:
            self._in_flight = False
            unknown = [event for event, outcome in zip(sent, outcomes, strict=True) if isinstance(outcome, RedisError)]
            self.refused = self.refused or any(isinstance(outcome, Refused) for outcome in outcomes)
            self._broken = self._broken or bool(unknown)
            # Text is healed by the next reset; anything else is sent again, for a state seen twice does no harm.
            self._pending[:0] = [event for event in unknown if event.type not in _TEXT]
            self._idle.notify_all()
