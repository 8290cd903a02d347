"""A model of one reply being written: what its row, its log and its readers can come to."""

from __future__ import annotations

from collections.abc import Callable

from app.chat.seen import Seen, Verdict
from app.chat.snapshots import Tail
from app.stream import events
from app.stream.events import Event

THREAD, REPLY = "thread", "reply"


class World:
    """The writer's side. `produced` has, for each attempt, every text that one of its tries came to.

    `settled` is the text of committed steps, which no later try or attempt writes again; a reply that continues
    another one begins with that one's.
    """

    def __init__(self, settled: str = "") -> None:
        self.log: list[Event] = []
        self.readers: list[Reading] = []
        self.attempt, self.ended = 0, False
        self.settled = settled
        self.produced: dict[int, list[str]] = {}
        self._count = 0
        self._begin()

    def say(self, piece: str, *, lost: bool = False) -> None:
        """A delta; `lost`: its write failed, so that the next event is the whole text."""
        offset, self.text = len(self.text), self.text + piece
        self.produced[self.attempt][-1] = self.text
        if lost:
            self._broken = True
        elif not self._heal():
            self.send(events.DELTA, offset=offset, text=piece)

    def say_something(self) -> None:
        """A delta of no matter what."""
        self.say("something")

    def say_and_keep(self) -> None:
        """A delta, and a checkpoint that has it."""
        self.say("something")
        self.keep()

    def say_and_settle(self) -> None:
        """A delta, and a step that is committed with it."""
        self.say("something")
        self.settle()

    def settle(self) -> None:
        """Commit a step: the row has all its text, whatever the log lost."""
        self.settled = self.checkpoint = self.text

    def take_back(self) -> None:
        """A try failed: first the row forgets it, then the log."""
        self.checkpoint = self.text = self.settled
        self.produced[self.attempt].append(self.settled)
        if not self._heal():
            self._reset()

    def crash(self) -> None:
        """Another attempt begins."""
        self._begin()

    def pause(self) -> None:
        """It waits after a step, and another attempt begins."""
        self.settle()
        if not self._heal():
            self.send(events.WAITING)
        self._begin()

    def keep(self) -> None:
        """A checkpoint."""
        self.checkpoint = self.text

    def trim(self, kept: int) -> None:
        """The log loses all but its newest entries; it keeps what is newer than the checkpoint."""
        self.keep()
        self.log = self.log[len(self.log) - min(kept, len(self.log)) :]

    def end(self) -> None:
        """The reply is finished, and all readers hear it."""
        self.ended = True
        self.send(events.COMPLETED, message={"content": self.text})

    def send(self, type_: str, **fields: object) -> None:
        """Append and publish."""
        self._count += 1
        event = Event(type_, THREAD, REPLY, self.attempt, fields, f"{self._count}-0")
        self.log.append(event)
        for reader in self.readers:
            reader.arriving.append(event)

    def _begin(self) -> None:
        self.attempt, self._broken = self.attempt + 1, False
        self.text = self.checkpoint = self.settled
        self.produced[self.attempt] = [self.settled]
        if self.attempt > 1 or self.settled:
            self._reset()
        self.send(events.PROCESSING)

    def _heal(self) -> bool:
        if self._broken:
            self._broken = False
            self._reset()
            return True
        return False

    def _reset(self) -> None:
        self.send(events.RESET, offset=len(self.text), text=self.text)


class Reading:
    """One reader's connections, one after another, and the text its client has made of what it was sent."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.arriving: list[Event] = []
        self.text, self.attempt = "", 0
        self.last_id: str | None = None
        self.ended, self.repeated = False, 0
        self.ids: list[str] = []  # of this connection
        self._missing = False
        self.meanwhile: Callable[[], None] = lambda: None  # what the writer does between our reading log and row
        world.readers.append(self)
        self.connect()

    def connect(self) -> None:
        """Subscribe anew, then read from the last id, or be sent the whole."""
        self.arriving.clear()
        self.ids.clear()
        self._missing, self.seen = False, Seen()
        self.seen.resumed = self.last_id is not None
        self._since(self.last_id)

    def lag(self) -> None:
        """What was on its way is lost, and the reader knows: it reads the log again."""
        self.arriving.clear()
        self._since(self.seen.cursor)

    def hear(self, count: int) -> None:
        """Take so many of the events that have arrived."""
        for event in self.arriving[:count]:
            self._admit(event)
        del self.arriving[:count]

    def look(self) -> None:
        """A look at the database heals what could not be healed before."""
        if self._missing and not self.world.ended:
            self._heal()

    def _since(self, after: str | None) -> None:
        cursors = [event.cursor for event in self.world.log]
        if after in cursors:
            self.seen.cursor = after
            for event in self.world.log[cursors.index(after) + 1 :]:
                self._admit(event)
        else:
            self.seen.resumed = False
            self._snapshot()

    def _snapshot(self) -> None:
        world, tail = self.world, Tail(tuple(self.world.log))
        self.meanwhile()
        if world.ended:
            self.seen.end(REPLY)
            self._apply(Event(events.COMPLETED, THREAD, REPLY, world.attempt, {"message": {"content": world.text}}))
            return
        text = tail.lengthen(world.checkpoint, world.attempt, REPLY)
        self.seen.cursor = tail.cursor
        self.seen.begin(REPLY, world.attempt, len(text), tail.cursor)
        self._apply(_reset(world.attempt, text, tail.cursor))

    def _heal(self) -> None:
        world, tail = self.world, Tail(tuple(self.world.log))
        self.meanwhile()
        if world.ended:
            return
        text = tail.lengthen(world.checkpoint, world.attempt, REPLY)
        self._missing = not self.seen.behind(REPLY, world.attempt, len(text))
        if not self._missing:
            self.seen.begin(REPLY, world.attempt, len(text), tail.cursor)
            self._apply(_reset(world.attempt, text, None))

    def _admit(self, event: Event) -> None:
        verdict = self.seen.judge(event)
        if verdict is Verdict.SEND:
            self._apply(event)
        elif verdict is Verdict.GAP:
            self._heal()

    def _apply(self, event: Event) -> None:
        """What any client does with an event."""
        if event.cursor is not None:
            self.ids.append(event.cursor)
            self.last_id = event.cursor
        self.attempt = event.attempt
        if event.type == events.RESET:
            self.text = event.fields["text"]
        elif event.type == events.DELTA:
            offset, text = event.fields["offset"], event.fields["text"]
            assert offset <= len(self.text), "a gap was sent"
            if not self.seen.resumed:  # a client that resumed may have come with more text than its id says
                self.repeated += offset + len(text) <= len(self.text)
            self.text = self.text[:offset] + text
        elif event.is_terminal:
            assert not self.ended, "a second end was sent"
            self.text, self.ended = event.fields["message"]["content"], True


def _reset(attempt: int, text: str, cursor: str | None) -> Event:
    return Event(events.RESET, THREAD, REPLY, attempt, {"offset": len(text), "text": text}, cursor)
