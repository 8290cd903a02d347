"""Each transcript by itself: cursors, gaps, repetitions, and what its client was shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.check import transcripts
from app.check.applied import Applied
from app.check.stored import Ending
from app.check.transcripts import Cancelled, End, Line, Note, Opened, Polled, Posted, Withdrawn
from app.check.verdict import Invariant, Ledger
from app.check.witnesses import Sighting, Spoken, Witnesses
from app.stream import events
from app.stream.events import Event
from app.stream.log import order

_CURSOR = re.compile(r"\d{1,20}-\d{1,20}")
_WHOLE = frozenset({events.THREAD_SNAPSHOT, events.RESET})


def check(ledger: Ledger, path: Path, witnesses: Witnesses) -> None:
    """Read one file; what it takes other evidence to judge is left with the witnesses."""
    lines = transcripts.read(path)
    first = next(lines, None)
    if first is None:
        return
    assert isinstance(first.said, Opened)
    reader = _Reader(ledger, first.said, path.stem, witnesses)
    for line in lines:
        reader.take(line)
    reader.close()
    if first.said.via != "post":
        for invariant in (Invariant.G2, Invariant.G4, Invariant.G5, Invariant.G10):
            ledger.examined(invariant, "transcripts")


class _Reader:
    """One client: its position in the stream, and what it has of each reply."""

    def __init__(self, ledger: Ledger, opened: Opened, name: str, witnesses: Witnesses) -> None:
        self._ledger = ledger
        self._opened = opened
        self._name = name
        self._witnesses = witnesses
        self._replies: dict[str, Applied] = {}
        self._polled: dict[str, int] = {}
        self._position: str | None = None
        self._seen: set[str] = set()
        self._connection = 0
        self._is_first = True

    def take(self, line: Line) -> None:
        """One line."""
        match line.said:
            case Event():
                self._event(line.said, line.place)
            case Polled():
                self._poll(line.said.message, line.place)
            case Posted() | Cancelled() | Withdrawn():
                self._witnesses.spoken.append(Spoken(line, self._opened.user_id, line.said))
            case Note():
                self._noted(line.said.text)
            case End():
                self._end(line, line.said)

    def close(self) -> None:
        """Leave what it has of each reply with the witnesses."""
        for message_id, reply in self._replies.items():
            if reply.has_gap and reply.ended is None and not reply.heals_itself:
                self._wrong(Invariant.G5, message_id, "a gap was never healed", self._name)
            for attempt, text in reply.texts():
                last = reply.ended is not None and (attempt, text) == (reply.written_by, reply.text)
                self._witnesses.saw(message_id, Sighting(self._name, attempt, text, last))

    def _event(self, event: Event, place: str) -> None:
        self._follow(event, place)
        self._show(event.thread_id, event.message_id, place)
        if event.type == events.THREAD_SNAPSHOT:
            self._snapshot(event, place)
        if event.message_id is None:
            return
        for invariant, what in self._reply(event.message_id).apply(event, self._connection):
            self._wrong(invariant, event.message_id, what, place)
        if event.type == events.CANCELLED and not event.attempt:
            self._witnesses.saw_unbegun(event.message_id, event.fields["message"].get("parent_id"))
        if "message" in event.fields:
            self._object(event.fields["message"], place)

    def _snapshot(self, event: Event, place: str) -> None:
        """The state as of now; it replaces what the client had of each reply it shows."""
        self._object(event.fields.get("thread") or {}, place, is_thread=True)
        for message in event.fields.get("messages") or ():
            self._object(message, place)
            self._adopt(message, place)

    def _follow(self, event: Event, place: str) -> None:
        """Cursors only grow. What states the whole may be told again; what came once may not come a second time."""
        cursor, is_first = event.cursor, self._is_first
        self._is_first = False
        if cursor is None or cursor == events.END_CURSOR:
            return
        if not _CURSOR.fullmatch(cursor):
            self._wrong(Invariant.G5, event.message_id or event.thread_id, f"{cursor} is no cursor", place)
            return
        if self._position is not None and order(cursor) <= order(self._position):
            restated = event.type in _WHOLE or (is_first and event.is_terminal)
            if not restated:
                again = "a second time" if cursor in self._seen else f"after {self._position}"
                self._wrong(Invariant.G5, event.message_id or event.thread_id, f"cursor {cursor} came {again}", place)
        self._position = cursor
        self._seen.add(cursor)

    def _adopt(self, message: Mapping[str, Any], place: str) -> None:
        """A reply that was shown whole replaces what the client had of it."""
        if not message.get("job_id"):
            return
        reply, ending = self._reply(str(message["id"])), Ending.of(message)
        if ending is not None:
            reply.end(ending)
        elif reply.ended is not None:
            self._wrong(Invariant.G2, str(message["id"]), f"is {message['status']} after its end", place)
        else:
            reply.adopt(str(message.get("content", "")), int(message.get("attempt", 0)))

    def _reply(self, message_id: str) -> Applied:
        return self._replies.setdefault(message_id, Applied(heals_itself=self._opened.via == "pubsub"))

    def _poll(self, message: Mapping[str, Any], place: str) -> None:
        message_id, attempt = str(message["id"]), int(message.get("attempt", 0))
        self._show(str(message["thread_id"]), message_id, place)
        before = self._polled.get(message_id, 0)
        if attempt < before:
            self._wrong(Invariant.G3, message_id, f"attempt {attempt} was polled after attempt {before}", place)
        self._polled[message_id] = max(attempt, before)
        self._object(message, place)
        self._adopt(message, place)

    def _noted(self, text: str) -> None:
        if text.startswith(("connected", "cut")):
            self._connection += 1
            self._is_first = True

    def _end(self, line: Line, end: End) -> None:
        self._witnesses.ends.append((line, end))
        for message_id, text in end.texts.items():
            reply = self._replies.get(message_id)
            if reply is None or reply.text is None:
                continue
            had = reply.ended.content if reply.ended is not None else reply.text
            if text != had:
                self._wrong(Invariant.G4, message_id, "the client's text is not what its events come to", line.place)

    def _object(self, shown: Mapping[str, Any], place: str, *, is_thread: bool = False) -> None:
        """A message or thread that was shown whole."""
        if shown.get("user_id") not in {None, self._opened.user_id} and self._opened.user_id is not None:
            self._wrong(Invariant.G10, str(shown.get("id")), f"is shown to {self._opened.user_id}", place)
        ending = Ending.of(shown) if not is_thread and shown.get("job_id") else None
        if ending is not None:
            self._witnesses.saw_end(str(shown["id"]), ending, place)

    def _show(self, thread_id: str, message_id: str | None, place: str) -> None:
        """What an event is about must be what was asked for."""
        self._witnesses.was_shown(self._opened.user_id, thread_id, message_id, place)
        about = {"thread": thread_id, "message": message_id}.get(self._opened.scope or "", self._opened.id)
        if self._opened.id is not None and about != self._opened.id:
            self._wrong(
                Invariant.G10, str(about), f"came on the stream of {self._opened.scope} {self._opened.id}", place
            )

    def _wrong(self, invariant: Invariant, subject: str, what: str, place: str) -> None:
        self._ledger.violated(invariant, subject, f"{what} ({place})")
