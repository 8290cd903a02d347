"""One reply as a client has it that applies its events in order, and what no such client should ever be sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from app.check.stored import Ending
from app.check.verdict import Invariant
from app.stream import events
from app.stream.events import END_CURSOR, Event

Problem = tuple[Invariant, str]

# The connection of what did not come by one.
_ASIDE = -1


@dataclass(slots=True)
class Applied:
    """`text` is None while it is not known, because the client came in the middle; `written_by` is its attempt.

    `peaks` are the texts that something took back, each with its attempt; `begun` those that attempts began with, where
    a reset said so. Connections are numbered: on a later one may come again what came on an earlier one.
    `heals_itself`: gaps are the client's own affair, as on a raw channel. `parent_id` is known once it has ended.
    """

    heals_itself: bool = False
    attempt: int = 0
    text: str | None = None
    written_by: int = 0
    ended: Ending | None = None
    ended_at: str | None = None
    has_gap: bool = False
    peaks: list[tuple[int, str]] = field(default_factory=list)
    begun: dict[int, str] = field(default_factory=dict)
    parent_id: str | None = None
    _connection: int = 0
    _unjoined: list[Event] = field(default_factory=list)
    _fresh: bool = False

    def apply(self, event: Event, connection: int = 0) -> list[Problem]:
        """Take one event of this reply; returns what is wrong with it."""
        if self.ended is not None:
            return list(self._after_end(event, connection))
        if event.attempt < self.attempt:
            again = connection != self._connection
            return [] if again else [(Invariant.G3, f"attempt {event.attempt} after attempt {self.attempt}")]
        begins = event.type == events.PROCESSING and event.attempt > self.attempt
        self.attempt, self._connection = event.attempt, connection
        if event.type == events.PROCESSING and self._fresh:
            self.begun.setdefault(event.attempt, self.text or "")
        self._fresh = event.type == events.RESET
        if not self.text and (begins or (event.type == events.CREATED and event.attempt == 0)):
            self.text, self.written_by = "", event.attempt
        return list(self._taken(event))

    def adopt(self, text: str, attempt: int) -> None:
        """The client read the whole text; deltas that it kept may join it now."""
        if self.ended is None and attempt >= self.attempt:
            waiting = self._unjoined
            self._replace(text, attempt)
            self.attempt, self._connection = attempt, _ASIDE
            for event in waiting:
                list(self._delta(event))

    def end(self, ending: Ending, cursor: str | None = None, connection: int = _ASIDE) -> None:
        """The client knows how the reply ended."""
        self.ended, self.ended_at, self._connection = ending, cursor, connection

    def texts(self) -> Iterator[tuple[int, str]]:
        """The longest texts it had, each with the attempt that wrote it."""
        yield from self.peaks
        if self.text:
            yield self.written_by, self.text

    def _taken(self, event: Event) -> Iterator[Problem]:
        if event.type == events.RESET:
            yield from self._reset(event)
        elif event.type == events.DELTA:
            yield from self._delta(event)
        elif event.is_terminal:
            yield from self._last(event)

    def _last(self, event: Event) -> Iterator[Problem]:
        ending = Ending.of(event.fields["message"])
        if self.has_gap and not self.heals_itself:
            yield Invariant.G5, "a gap was not healed before the end"
        if ending is None or f"message.{ending.status}" != event.type:
            yield Invariant.G2, f"{event.type} carries a message that is {event.fields['message'].get('status')}"
        else:
            self.end(ending, event.cursor, self._connection)
            self.parent_id = event.fields["message"].get("parent_id")

    def _reset(self, event: Event) -> Iterator[Problem]:
        text = event.fields["text"]
        if event.fields["offset"] != len(text):
            yield Invariant.G5, f"a reset to {len(text)} code points says its offset is {event.fields['offset']}"
        self._replace(text, event.attempt)

    def _delta(self, event: Event) -> Iterator[Problem]:
        offset, text = event.fields["offset"], event.fields["text"]
        if self.text and self.written_by < event.attempt:
            yield Invariant.G4, f"attempt {event.attempt} begins without a reset"
            self._replace("", event.attempt)
        if self.text is None:
            if offset == 0:
                self._replace(text, event.attempt)
        elif offset > len(self.text):
            self.has_gap = True
            self._unjoined.append(event)
        else:
            yield from self._join(offset, text, event.attempt)

    def _join(self, offset: int, text: str, attempt: int) -> Iterator[Problem]:
        """A delta that ends within the text, as after a snapshot, brings nothing."""
        assert self.text is not None
        if not text.startswith(self.text[offset : offset + len(text)]):
            yield Invariant.G4, f"other text came for what was there at offset {offset}"
        if offset + len(text) > len(self.text):
            self.text, self.written_by = self.text[:offset] + text, attempt

    def _replace(self, text: str, attempt: int) -> None:
        if self.text and not (text.startswith(self.text) and attempt == self.written_by):
            self.peaks.append((self.written_by, self.text))
        self.text, self.written_by, self.has_gap, self._unjoined = text, attempt, False, []

    def _after_end(self, event: Event, connection: int) -> Iterator[Problem]:
        assert self.ended is not None
        if connection == self._connection:
            yield Invariant.G2, f"{event.type} after its end"
        elif event.is_terminal:
            ending = Ending.of(event.fields["message"])
            if ending is not None and ending != self.ended:
                yield Invariant.G2, f"ended twice: {ending.unlike(self.ended)}"
            self._connection, self.ended_at = connection, event.cursor
        elif self.ended_at not in {None, END_CURSOR}:
            yield Invariant.G2, f"{event.type} after its end"
