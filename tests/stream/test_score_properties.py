"""Whatever is lost, repeated, cut or taken back: no number comes twice, and what was told live is told again so."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.stream import score
from app.stream.output import Beat, Kind
from tests.stream.numbering import FIRST, Client, World, shape

PIECES = st.text(alphabet="ab🎈", min_size=1, max_size=3)
CLIENTS = 3
ENDINGS = ["whole", "cut", "abandoned"]


class Numbering(RuleBasedStateMachine):
    """One reply, written with every mishap, and clients that come, go and lag."""

    def __init__(self) -> None:
        super().__init__()
        self.begin("", "whole")

    @initialize(settled=st.sampled_from(["", "", "the first half"]), ending=st.sampled_from(ENDINGS))
    def begin(self, settled: str, ending: str) -> None:
        self.world, self.ending = World(settled), ending
        self.clients = [Client(self.world)]

    @rule(piece=PIECES, thinks=st.booleans(), times=st.sampled_from([1, 1, 2, 30]), flush=st.booleans())
    def write(self, piece: str, thinks: bool, times: int, flush: bool) -> None:
        for _ in range(times):
            (self.world.writer.reasoning if thinks else self.world.writer.delta)(piece)
            if flush:
                self.world.crank.turn()

    @rule(lost=st.booleans())
    def fail_to_flush(self, lost: bool) -> None:
        self.world.crank.turn(lost=lost, unknown=not lost)

    @rule(reading=st.none() | st.integers(0, CLIENTS - 1), committed=st.integers(0, 4).map(lambda n: n > 0))
    def keep(self, reading: int | None, committed: bool) -> None:
        """A checkpoint, which may not get into the row, and which somebody reads at once."""
        if committed:
            self.world.keep()
        else:
            self.world.writer.noted()
        if reading is not None:
            self.client(reading).lag()

    @rule(ours=st.integers(0, 2), foreign=st.integers(0, 1))
    def step(self, ours: int, foreign: int) -> None:
        self.world.step(ours, foreign)

    @precondition(lambda self: self.world.open_calls)
    @rule()
    def result(self) -> None:
        self.world.result()

    @rule(kept=st.booleans())
    def take_back(self, kept: bool) -> None:
        self.world.take_back(kept=kept)

    @rule(unopened=st.integers(0, 2), log_lost=st.integers(0, 2).map(lambda n: n == 0))
    def crash(self, unopened: int, log_lost: bool) -> None:
        """Others take it up, some of whom crash before they have told anything."""
        if log_lost:
            self.world.lose_log()
        for _ in range(unopened):
            self.world.claim()
        self.world.claim()
        self.world.open()

    @rule(flush=st.booleans())
    def hand_over(self, flush: bool) -> None:
        self.world.rest()
        before = self.world.crank
        if flush:
            before.turn()
        self.world.claim()
        self.world.open()
        before.turn()

    @rule(kept=st.integers(0, 3))
    def trim(self, kept: int) -> None:
        """The log keeps what is newer than the last checkpoint."""
        self.world.keep()
        self.world.log[:] = self.world.log[max(0, len(self.world.log) - kept) :]

    @precondition(lambda self: len(self.clients) < CLIENTS)
    @rule()
    def come(self) -> None:
        self.clients.append(Client(self.world))

    @rule(number=st.integers(0, CLIENTS - 1), count=st.integers(1, 5))
    def hear(self, number: int, count: int) -> None:
        self.client(number).hear(count)

    @rule(number=st.integers(0, CLIENTS - 1))
    def lag(self, number: int) -> None:
        self.client(number).lag()

    @rule(number=st.integers(0, CLIENTS - 1))
    def reconnect(self, number: int) -> None:
        self.client(number).connect()

    @rule(number=st.integers(0, CLIENTS - 1), place=st.integers(0, 3))
    def lose_one(self, number: int, place: int) -> None:
        """It should not happen without a word; if it did, the numbers would show it."""
        arriving = self.client(number).arriving
        if place < len(arriving) - 1:
            del arriving[place]

    @invariant()
    def numbers_only_grow(self) -> None:
        for client in self.clients:
            numbers = [beat.number for beat in client.told]
            assert numbers == sorted(set(numbers))
            assert all(number >= FIRST for number in numbers)

    @invariant()
    def a_number_means_one_thing(self) -> None:
        """Where a log was lost with what a dead attempt had told, that is closed at numbers that others have too."""
        _, replay = score.play(FIRST, *self.world.row)
        meant: dict[object, tuple[object, ...]] = {}
        for one in (*(shape(beat) for beat in replay), *(one for client in self.clients for one in client.shapes)):
            if not self.world.forked:
                assert meant.setdefault(one[0], one) == one
            elif one[1] is Kind.DELTA:
                assert meant.setdefault(one[0], one[3:]) == one[3:]

    @invariant()
    def items_are_told_whole_and_in_order(self) -> None:
        if not self.world.forked:
            for client in self.clients:
                well_formed(client.told)

    @invariant()
    def the_row_tells_its_text(self) -> None:
        stored, text = self.world.row
        output, _ = score.play(FIRST, stored, text)
        assert self.world.forked or text.startswith(output.text) or not output.text.startswith(self.world.settled)

    def teardown(self) -> None:
        if self.ending == "abandoned":
            self.world.end_abandoned()
        else:
            self.world.crank.turn()
            self.world.end(complete=self.ending == "whole")
        stored, text = self.world.row
        output, replay = score.play(FIRST, stored, text)
        assert output.text == text == self.world.content
        well_formed(replay)
        shapes = [shape(beat) for beat in replay]
        for client in self.clients:
            client.hear(10_000)
            assert client.output.ended
            assert client.output.text == text
            assert self.world.forked or client.shapes == shapes

    def client(self, number: int) -> Client:
        return self.clients[number % len(self.clients)]


def well_formed(beats: Iterable[Beat]) -> None:
    """Items begin one after another, are told of only while they are open, and end once."""
    begun, ended = list[int](), set[int]()
    for beat in beats:
        if beat.item is None:
            continue
        index = beat.item.index
        if beat.kind is Kind.ITEM_ADDED:
            assert index == len(begun)
            begun.append(index)
        assert index in begun
        assert index not in ended
        if beat.kind is Kind.ITEM_DONE:
            ended.add(index)


Numbering.TestCase.settings = settings(max_examples=250, stateful_step_count=40, deadline=None, derandomize=True)
TestNumbering = Numbering.TestCase
