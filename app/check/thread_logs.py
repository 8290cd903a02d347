"""The threads' logs on Redis: read whole, applied as a client would, compared with the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from app.check import stored
from app.check.applied import Applied
from app.check.database import Moment
from app.check.rows import steps_of
from app.check.stored import Stored
from app.check.verdict import Invariant, Ledger
from app.database import reading
from app.stream import events
from app.stream.events import Event
from app.stream.log import Keys, order

_PAGE = 500
_LOGS = Keys("*").log
_EXAMINED = (Invariant.G2, Invariant.G3, Invariant.G4, Invariant.G5)

# Told of each reply of each log: its thread's id, its own, and what its events come to.
Told = Callable[[str, str, Applied], None]


@dataclass(slots=True)
class _Log:
    thread_id: str
    ledger: Ledger
    replies: dict[str, Applied] = field(default_factory=dict)
    cursor: str | None = None

    def take(self, cursor: str, text: str | None) -> None:
        """One entry."""
        if self.cursor is not None and order(cursor) <= order(self.cursor):
            self.ledger.violated(Invariant.G5, self.thread_id, f"its log has {cursor} after {self.cursor}")
        self.cursor = cursor
        try:
            event = events.decode(text or "", cursor)
            if event.message_id is not None:
                self._apply(event)
        except (ValueError, KeyError, TypeError, AttributeError):
            self.ledger.violated(Invariant.G5, self.thread_id, f"its log's entry {cursor} is no event")

    def _apply(self, event: Event) -> None:
        assert event.message_id is not None
        reply = self.replies.setdefault(event.message_id, Applied())
        for invariant, what in reply.apply(event):
            self.ledger.violated(invariant, event.message_id, f"{what}, at {event.cursor} in its thread's log")


def check(client: Redis, ledger: Ledger, at: Moment, told: Told, progress: Callable[[str, int, int], None]) -> None:
    """G2 to G5 of every log there is. Raises RedisError."""
    for invariant in _EXAMINED:
        ledger.examined(invariant, "logs", 0)
    for number, thread_id in enumerate(_thread_ids(client), 1):
        log = _Log(thread_id, ledger)
        for cursor, text in _entries(client, thread_id):
            log.take(cursor, text)
        _compare(ledger, at, log)
        for message_id, reply in log.replies.items():
            told(thread_id, message_id, reply)
        for invariant in _EXAMINED:
            ledger.examined(invariant, "logs")
        progress("logs", number, number)


def _thread_ids(client: Redis) -> Iterator[str]:
    prefix, _, suffix = _LOGS.partition("*")
    for key in client.scan_iter(match=_LOGS, count=1000):
        yield key.removeprefix(prefix).removesuffix(suffix)


def _entries(client: Redis, thread_id: str) -> Iterator[tuple[str, str | None]]:
    log, after = Keys(thread_id).log, "-"
    while True:
        page: Any = client.xrange(log, after, "+", count=_PAGE)
        if not page:
            return
        for cursor, fields in page:
            yield cursor, fields.get("e")
        after = f"({page[-1][0]}"


def _compare(ledger: Ledger, at: Moment, log: _Log) -> None:
    """The log was read before the rows: they may be further, never behind."""
    rows = stored.load(log.replies)
    is_there = bool(rows) or log.thread_id in stored.owners([log.thread_id])
    for message_id, reply in log.replies.items():
        row = rows.get(message_id)
        if row is not None:
            _compare_one(ledger, at, reply, row)
        elif is_there and reply.attempt:
            ledger.violated(Invariant.G1, message_id, "stands in its thread's log, but is not stored")


def _compare_one(ledger: Ledger, at: Moment, reply: Applied, row: Stored) -> None:
    message_id = str(row.id)
    if row.attempt is not None and reply.attempt > row.attempt:
        ledger.violated(Invariant.G3, message_id, f"its log has attempt {reply.attempt}, its row {row.attempt}")
    _compare_beginnings(ledger, reply, row)
    if reply.ended is None or row.job_id is None:
        return
    if row.ending is None:
        ledger.violated(Invariant.G2, message_id, f"its log says {reply.ended.status}, its row {row.status}")
    elif row.ending != reply.ended:
        ledger.violated(Invariant.G2, message_id, f"by its log it {row.ending.unlike(reply.ended)}")
    if row.terminal_cursor not in {None, reply.ended_at}:
        ledger.violated(
            Invariant.G5, message_id, f"its last event is at {reply.ended_at}, its row says {row.terminal_cursor}"
        )
    _compare_text(ledger, at, reply, row)


def _compare_beginnings(ledger: Ledger, reply: Applied, row: Stored) -> None:
    """An attempt begins with the text of the steps that were committed before it, no more and no less."""
    if not reply.begun or row.job_id is None:
        return
    with reading() as session:
        steps = steps_of(session, [row.job_id])[row.job_id]
    for attempt, text in reply.begun.items():
        least = sum(step.length for step in steps if step.attempt < attempt)
        if not (row.settled or "").startswith(text):
            what = f"attempt {attempt} began with {len(text)} code points that are of no committed step"
            ledger.violated(Invariant.G4, str(row.id), what)
        elif len(text) < least:
            what = f"attempt {attempt} began with {len(text)} of the {least} code points that were committed before it"
            ledger.violated(Invariant.G4, str(row.id), what)


def _compare_text(ledger: Ledger, at: Moment, reply: Applied, row: Stored) -> None:
    """Up to the last event the log has the beginning of the stored text, and all of it unless Redis was away."""
    if reply.text is None or reply.written_by != row.attempt:
        return
    text, whole = reply.text, row.content
    joins = whole.startswith(text) or (not row.ended_by_its_worker and text.startswith(whole))
    if not joins:
        what = f"its log's {len(text)} code points are not the beginning of the {len(whole)} stored ones"
    elif len(text) < len(whole) and at.since(row.started_at):
        what = f"its log has only {len(text)} of its {len(whole)} code points"
    else:
        return
    ledger.violated(Invariant.G4, str(row.id), what)
