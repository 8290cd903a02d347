"""The output of a reply as numbered events tell it: items that are begun, written and closed, one after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """What a numbered event is about."""

    BEGUN = "begun"
    ITEM_ADDED = "item added"
    PART_ADDED = "part added"
    DELTA = "delta"
    TEXT_DONE = "text done"
    PART_DONE = "part done"
    ITEM_DONE = "item done"
    CALL_BEGUN = "call begun"
    CALL_ENDED = "call ended"
    ENDED = "ended"


class Of(Enum):
    """What an item of the output is."""

    TEXT = "text"
    REASONING = "reasoning"
    FUNCTION = "function"  # called by whoever asked for the reply
    TOOL = "tool"  # called by us


@dataclass(slots=True)
class Item:
    """One item of the output; `index` counts all that were begun. A call has the id of its row and no text."""

    index: int
    of: Of
    call_id: str | None = None
    written: list[str] = field(default_factory=list)
    complete: bool | None = None  # None while it is open
    dropped: bool = False

    @property
    def text(self) -> str:
        """What was written into it so far."""
        return "".join(self.written)


@dataclass(frozen=True, slots=True)
class Beat:
    """One numbered event. `text` is what a delta adds."""

    number: int
    kind: Kind
    item: Item | None = None
    text: str = ""


class Output:
    """What is known of a reply's output. Each method tells of one thing more and returns the events that tell it.

    `number` is the next event's; `first` is the first.
    """

    def __init__(self, first: int) -> None:
        self.first = self.number = first
        self.items: list[Item] = []
        self.begun = False
        self.ended = False
        self._open: Item | None = None
        self._kept = 0  # items that no drop takes back

    @property
    def output(self) -> list[Item]:
        """The items that were not taken back."""
        return [item for item in self.items if not item.dropped]

    @property
    def text(self) -> str:
        """The reply's text as far as it was told."""
        return "".join(item.text for item in self.output if item.of is Of.TEXT)

    @property
    def settled(self) -> str:
        """What of it no drop takes back."""
        return "".join(item.text for item in self.items[: self._kept] if item.of is Of.TEXT and not item.dropped)

    @property
    def unsettled(self) -> list[Item]:
        """What a drop would take back."""
        return self.items[self._kept :]

    @property
    def open_calls(self) -> set[str]:
        """The calls that were told of and not yet of their ends."""
        return {item.call_id for item in self.items if item.call_id is not None and item.complete is None}

    def skip(self, number: int) -> list[Beat]:
        """Go on with this number."""
        self.number = max(self.number, number)
        return []

    def begin(self) -> list[Beat]:
        """The worker has begun; told once."""
        if self.begun:
            return []
        self.begun = True
        return [self._beat(Kind.BEGUN)]

    def write(self, of: Of, text: str) -> list[Beat]:
        """A delta of text or of reasoning."""
        beats, item = list[Beat](), self._open
        if item is None or item.of is not of:
            beats = self.close(complete=True)
            item = self._open = Item(len(self.items), of)
            self.items.append(item)
            beats += [self._beat(Kind.ITEM_ADDED, item), self._beat(Kind.PART_ADDED, item)]
        item.written.append(text)
        beats.append(self._beat(Kind.DELTA, item, text))
        return beats

    def lengthen(self, of: Of, text: str) -> bool:
        """The same as `write` for who asks for no events; False, and nothing done, where it would begin an item."""
        if self._open is None or self._open.of is not of:
            return False
        self._open.written.append(text)
        self.number += 1
        return True

    def count(self, of: Of, deltas: int) -> None:
        """The same for so many deltas of no matter what."""
        self.write(of, "")
        self.number += deltas - 1

    def join(self, text: str) -> None:
        """Lengthen the delta before by `text`."""
        assert self._open is not None
        self._open.written.append(text)

    def call(self, call_id: str, of: Of) -> list[Beat]:
        """A call; of ours the result follows, of a foreign one nothing."""
        item = Item(len(self.items), of, call_id)
        beats = self.close(complete=True)
        self.items.append(item)
        beats += [self._beat(kind, item) for kind in (Kind.ITEM_ADDED, Kind.DELTA, Kind.TEXT_DONE)]
        if of is Of.FUNCTION:
            item.complete = True
            return [*beats, self._beat(Kind.ITEM_DONE, item)]
        return [*beats, self._beat(Kind.CALL_BEGUN, item)]

    def result(self, call_id: str) -> list[Beat]:
        """A call of ours has ended; nothing where it is not open."""
        item = next((one for one in self.items if one.call_id == call_id and one.complete is None), None)
        if item is None:
            return []
        item.complete = True
        return [self._beat(Kind.CALL_ENDED, item), self._beat(Kind.ITEM_DONE, item)]

    def step(self) -> list[Beat]:
        """What was written so far stays."""
        beats = self.close(complete=True)
        self._kept = len(self.items)
        return beats

    def drop(self) -> list[Beat]:
        """What was written since the last step is taken back."""
        beats = self.close(complete=False)
        for item in self.unsettled:
            item.dropped = True
        self._kept = len(self.items)
        return beats

    def end(self, *, complete: bool) -> list[Beat]:
        """The reply has ended; what is still open is closed."""
        if self.ended:
            return []
        beats = self.close(complete=complete)
        for item in self.items:
            if item.complete is None:  # a call whose result nobody knows
                beats += self.result(str(item.call_id))
        self.ended = True
        return [*beats, self._beat(Kind.ENDED)]

    def close(self, *, complete: bool) -> list[Beat]:
        """Close the item that is being written, if one is."""
        item, self._open = self._open, None
        if item is None:
            return []
        item.complete = complete
        return [self._beat(kind, item) for kind in (Kind.TEXT_DONE, Kind.PART_DONE, Kind.ITEM_DONE)]

    def _beat(self, kind: Kind, item: Item | None = None, text: str = "") -> Beat:
        self.number += 1
        return Beat(self.number - 1, kind, item, text)
