"""A model of one numbered reply: its row, its log, the writers of its attempts, and clients that come and go."""

from __future__ import annotations

from typing import Any

from redis.exceptions import RedisError

from app.stream import events, score
from app.stream.events import Event
from app.stream.flusher import Source
from app.stream.output import Beat, Kind, Of, Output
from app.stream.score import REST, Score, call_ended, calls_made
from app.stream.writer import Writer

THREAD, REPLY = "thread", "reply"
FIRST = 2


class Crank:
    """A flusher that flushes when it is told to, into a list, or loses what it takes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rung: dict[int, Source] = {}

    def ring(self, source: Source) -> None:
        self._rung[id(source)] = source

    def turn(self, *, lost: bool = False, unknown: bool = False) -> None:
        """Flush; `lost`: nothing arrived, `unknown`: it did arrive, and the writer is told that it may have not."""
        for source in list(self._rung.values()):
            taken = source.take()
            if not lost:
                for event in taken:
                    self._world.append(event)
            failed = lost or unknown
            source.told(taken, [RedisError("gone") if failed else "1-1" for _ in taken])
        self._rung.clear()


class World:
    """The writer's side. `forked`: a log was lost with what a dead attempt had told beyond its last commit."""

    def __init__(self, settled: str = "") -> None:
        self.settled = self.checkpoint = settled
        self.score, self.lost, self.content = "", "", ""
        self.log: list[Event] = []
        self.clients: list[Client] = []
        self.attempt, self.calls, self.ended, self.forked = 0, 0, False, False
        self.open_calls: list[str] = []
        self.claim()
        self.open()

    @property
    def row(self) -> tuple[str, str]:
        """The score and the text it goes with, as readers read them."""
        return self.score, self.content if self.ended else self.checkpoint + self.lost

    def append(self, event: Event) -> None:
        """Append and publish, behind the fence."""
        if event.attempt < self.fence:
            return
        self.fence = event.attempt
        self.log.append(event)
        for client in self.clients:
            client.arriving.append(event)

    def claim(self) -> None:
        """The next attempt; what it did not hear of yet is lost in the row."""
        self.attempt += 1
        self.fence = getattr(self, "fence", 0)
        if len(self.checkpoint) > len(self.settled):
            self.lost = self.checkpoint[len(self.settled) :]
        self.checkpoint = self.settled
        self.crank = Crank(self)
        ids = (self.crank, THREAD, REPLY, self.attempt)
        self.writer = Writer(*ids, may_write=lambda: True, score=Score(FIRST), text=self.settled)

    def open(self) -> None:
        """What the attempt does before it asks its model."""
        if self.attempt > 1 or self.settled:
            made = self.left()
            made.reopen(self.settled, [])
            self.commit(self.settled, made.dump())
            self.writer.go_on(made, self.settled)
        self.writer.begin("m")

    def left(self) -> Score:
        made = Score(FIRST, self.score, self.checkpoint + self.lost)
        if self.attempt > 1:
            made.resume(self.log)
        return made

    def commit(self, text: str, score: str) -> None:
        """A checkpoint: what is older than what is there changes nothing."""
        self.checkpoint = self.settled if len(self.settled) > len(text) else text
        if len(self.score) <= len(score):
            self.score, self.lost = score, ""

    def keep(self) -> None:
        noted = self.writer.noted()
        self.commit(noted.text, noted.score)

    def step(self, ours: int, foreign: int) -> None:
        """Commit a step with calls; the commit fails where there is nobody to hear of it."""
        made = [(self._call(), Of.TOOL) for _ in range(ours)] + [(self._call(), Of.FUNCTION) for _ in range(foreign)]
        self.settle(calls_made(made))
        self.open_calls += [call for call, of in made if of is Of.TOOL]
        for _ in range(ours):
            self.writer.send(events.TOOL_STARTED, {})

    def result(self) -> None:
        call = self.open_calls.pop()
        self.settle(call_ended(call))
        self.writer.send(events.TOOL_COMPLETED, {})

    def settle(self, marks: list[score.Mark]) -> None:
        noted = self.writer.noted(marks)
        self.settled = noted.text
        self.commit(noted.text, noted.score)
        self.writer.mark(marks)

    def take_back(self, *, kept: bool) -> None:
        """A try failed; the row is told first, unless it has nothing of it."""
        dropping = self.writer.dropping
        if dropping:
            if kept or self.checkpoint != self.settled or self.score:
                self.commit(self.settled, self.writer.noted(dropping).score)
            self.writer.reset(self.settled)

    def rest(self) -> None:
        """Give the claim up in order."""
        noted = self.writer.noted([REST])
        self.commit(noted.text, noted.score)

    def lose_log(self) -> None:
        self.forked = True
        self.log.clear()

    def end(self, *, complete: bool) -> None:
        """The worker ends it."""
        self._end(self.writer.end(self.writer.text, complete=complete) or "", self.writer.text)

    def end_abandoned(self) -> None:
        """The reaper ends it, with what row and log know."""
        text = self.checkpoint
        made = self.left()
        made.resume(self.log)
        self._end(made.end(text, complete=False), text)

    def _end(self, dumped: str, text: str) -> None:
        self.commit("", dumped)
        self.content, self.checkpoint, self.lost, self.ended = text, "", "", True
        self.append(Event(events.COMPLETED, THREAD, REPLY, self.attempt))

    def _call(self) -> str:
        self.calls += 1
        return f"call-{self.calls}"


class Client:
    """One client's connections, one after another, and all that it was told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.arriving: list[Event] = []
        self.told: list[Beat] = []
        self.shapes: list[tuple[Any, ...]] = []
        world.clients.append(self)
        self.connect()

    def connect(self) -> None:
        """Subscribe anew, and ask for all after the last number."""
        self.arriving.clear()
        self.output = Output(FIRST)
        self._reload()

    def hear(self, count: int) -> None:
        """Take so many of the events that have arrived, as app/chat/numbered.py does."""
        for event in self.arriving[:count]:
            beats = score.relay(self.output, event) if score.NUMBER in event.fields else None
            if beats is None:
                self._reload()
            else:
                self._take(beats)
        del self.arriving[:count]

    def lag(self) -> None:
        """What was on its way is lost, and the client's reader knows."""
        self.arriving.clear()
        self._reload()

    def _reload(self) -> None:
        tail = list(self.world.log)
        self._take(score.catch_up(self.output, *self.world.row))
        for event in tail:
            self._take(score.relay(self.output, event) or [])

    def _take(self, beats: list[Beat]) -> None:
        last = self.told[-1].number if self.told else -1
        fresh = [beat for beat in beats if beat.number > last]
        self.told += fresh
        self.shapes += [shape(beat) for beat in fresh]


def shape(beat: Beat) -> tuple[Any, ...]:
    """All that a surface makes of a beat when it is told."""
    item = beat.item
    if item is None:
        return beat.number, beat.kind
    whole = item.text if beat.kind in {Kind.TEXT_DONE, Kind.PART_DONE, Kind.ITEM_DONE} else ""
    complete = item.complete if beat.kind is Kind.ITEM_DONE else None
    return beat.number, beat.kind, item.index, item.of, item.call_id, beat.text, whole, complete
