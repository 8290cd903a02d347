"""The writer of one attempt's events: keeps their order, numbers and joins deltas, and heals the log after a failed
write."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from app.stream import events
from app.stream.events import Event
from app.stream.flusher import Flusher, Outcome, Source
from app.stream.log import Refused
from app.stream.output import Of
from app.stream.score import NUMBER, Mark, Score

_TEXT = frozenset({events.DELTA, events.RESET, events.REASONING})


@dataclass(frozen=True, slots=True)
class Noted:
    """What was written, and what numbered readers are told of it: two things that are only ever kept together."""

    text: str
    score: str


class Writer:
    """Writes the stream of one reply's attempt through the process's flusher, and notes in its score what that tells.

    `may_write` is asked before each flush; false keeps everything back (the process's lease may have lapsed), and
    should it come true again, the whole text is sent first.
    `refused` becomes true when a newer attempt owns the log.
    """

    def __init__(
        self,
        flusher: Flusher,
        thread_id: str,
        message_id: str,
        attempt: int,
        *,
        may_write: Callable[[], bool],
        score: Score,
        text: str = "",
    ) -> None:
        """`text` is what the reply begins with."""
        self._flusher = flusher
        self._thread_id = thread_id
        self._message_id = message_id
        self._attempt = attempt
        self._may_write = may_write
        self._score = score
        self._pending: list[Event] = []
        self._text: list[str] = [text]
        self._reasoned = 0
        self._opening: list[Event] = []
        self._length = len(text)
        self._broken = False
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._is_awaited = False
        self._in_flight = False
        self._source = Source(self._take, self._told)
        self.refused = False

    @property
    def text(self) -> str:
        """What the attempt has written so far."""
        with self._lock:
            return "".join(self._text)

    @property
    def begun(self) -> bool:
        """Whether it has told anything."""
        with self._lock:
            return self._score.begun

    def send(self, type_: str, fields: Mapping[str, Any]) -> None:
        """Queue an event after everything queued before it."""
        with self._lock:
            self._queue(type_, fields)
        self._flusher.ring(self._source)

    def begin(self, model_id: str) -> None:
        """Tell that the reply is being written."""
        with self._lock:
            number = self._score.begin()
            self._queue(events.PROCESSING, {"model_id": model_id} | ({} if number is None else {NUMBER: number}))
        self._flusher.ring(self._source)

    def delta(self, text: str) -> None:
        """Add `text` to the reply."""
        with self._lock:
            self._grow(events.DELTA, Of.TEXT, text, self._length)
            self._text.append(text)
            self._length += len(text)
        self._flusher.ring(self._source)

    def reasoning(self, text: str) -> None:
        """Add `text` to the visible reasoning."""
        with self._lock:
            self._grow(events.REASONING, Of.REASONING, text, self._reasoned)
            self._reasoned += len(text)
        self._flusher.ring(self._source)

    def reset(self, text: str) -> None:
        """Take back, for this attempt and for every reader, what was written since the last step; `text` stays."""
        with self._lock:
            self._replace(text)
            self._queue(events.RESET, self._whole() | {NUMBER: self._score.drop()})
        self._flusher.ring(self._source)

    def go_on(self, score: Score, text: str) -> None:
        """Take up what an earlier attempt has left, as it was committed just now; numbered readers look there."""
        with self._lock:
            self._score = score
            self._replace(text)
            self._queue(events.RESET, self._whole())
            self._opening = [self._pending[-1]]
        self._flusher.ring(self._source)

    @property
    def dropping(self) -> list[Mark]:
        """The marks that a reset will add."""
        with self._lock:
            return self._score.dropping

    def noted(self, ahead: Sequence[Mark] = ()) -> Noted:
        """What to keep now, with marks that are to be added once they are committed."""
        with self._lock:
            return Noted("".join(self._text), self._score.dump(ahead))

    def mark(self, marks: Iterable[Mark]) -> None:
        """Add marks that tell of more than text."""
        with self._lock:
            self._score.mark(marks)

    def end(self, text: str, *, complete: bool) -> str | None:
        """The score, to be kept with this text, at which the reply ends; None where this attempt has told nothing."""
        with self._lock:
            if not self._score.begun:
                return None
            return self._score.end(text, complete=complete)

    def settle(self, seconds: float) -> bool:
        """Wait until nothing is queued or in flight; False when `seconds` did not suffice (Redis is away)."""
        with self._idle:
            self._is_awaited = True
            return self._idle.wait_for(lambda: not self._pending and not self._in_flight, timeout=seconds)

    def _queue(self, type_: str, fields: Mapping[str, Any]) -> None:
        self._pending.append(Event(type_, self._thread_id, self._message_id, self._attempt, fields))

    def _replace(self, text: str) -> None:
        self._text = [text]
        self._length = len(text)

    def _whole(self) -> dict[str, Any]:
        return {"offset": self._length, "text": "".join(self._text)}

    def _grow(self, type_: str, of: Of, text: str, offset: int) -> None:
        """Join `text` to the pending event of the same kind, if it is the last: one entry a flush, not one a token."""
        last = self._pending[-1] if self._pending else None
        if last is not None and last.type == type_ and self._score.join(text):
            joined = {**last.fields, "text": last.fields["text"] + text}
            self._pending[-1] = Event(type_, self._thread_id, self._message_id, self._attempt, joined)
        else:
            self._queue(type_, {"offset": offset, "text": text, NUMBER: self._score.write(of, text)})

    def _take(self) -> list[Event]:
        with self._lock:
            if self.refused or not self._may_write():
                self._pending = [] if self.refused else [event for event in self._pending if event.type not in _TEXT]
                self._broken = True
                self._tell_who_settles()
                return []
            taken = self._healed() if self._broken else self._pending
            self._pending = []
            self._broken = False
            self._in_flight = bool(taken)
            return taken

    def _healed(self) -> list[Event]:
        """After a write of unknown outcome: the whole text, which makes pending deltas and resets superfluous.

        It has no number: what was lost has some, which numbered readers get from the row.
        """
        rest = [event for event in self._pending if event.type not in {events.DELTA, events.RESET}]
        begun = [event for event in rest if event.type == events.PROCESSING]
        first = self._opening if begun else []
        return [*first, *begun, self._reset(self._whole()), *(event for event in rest if event not in begun)]

    def _reset(self, fields: dict[str, Any]) -> Event:
        return Event(events.RESET, self._thread_id, self._message_id, self._attempt, fields)

    def _told(self, sent: list[Event], outcomes: list[Outcome]) -> None:
        with self._lock:
            self._in_flight = False
            unknown = [event for event, outcome in zip(sent, outcomes, strict=True) if isinstance(outcome, RedisError)]
            self.refused = self.refused or any(isinstance(outcome, Refused) for outcome in outcomes)
            self._broken = self._broken or bool(unknown)
            # Text is healed by the next reset; anything else is sent again, for a state seen twice does no harm.
            self._pending[:0] = [event for event in unknown if event.type not in _TEXT]
            self._tell_who_settles()

    def _tell_who_settles(self) -> None:
        """Only where somebody does: with gevent, to notify is a turn of its loop, for each writer of each flush."""
        if self._is_awaited:
            self._idle.notify_all()
