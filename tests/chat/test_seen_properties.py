"""Whatever is lost, repeated, trimmed or cut: who applies what Seen admits ends with the stored text (G4, G5)."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.stream import events, log
from app.stream.events import Event
from tests.chat.world import Reading, World

PIECES = st.text(alphabet="abc🎈", min_size=1, max_size=4)
READERS = 3
MEANWHILE = ["say_something", "say_and_keep", "say_and_settle", "keep", "settle", "take_back", "crash", "pause", "end"]


def order(event: Event) -> tuple[int, int]:
    return log.order(str(event.cursor))


class Following(RuleBasedStateMachine):
    """One reply, written with every mishap, and readers that come, go and lag."""

    def __init__(self) -> None:
        super().__init__()
        self.begin("")

    @initialize(settled=st.sampled_from(["", "", "the first half"]))
    def begin(self, settled: str) -> None:
        self.world = World(settled)
        self.readings = [Reading(self.world)]

    @precondition(lambda self: not self.world.ended)
    @rule(piece=PIECES, lost=st.integers(0, 9).map(lambda n: n == 0))
    def say(self, piece: str, lost: bool) -> None:
        self.world.say(piece, lost=lost)

    @precondition(lambda self: not self.world.ended)
    @rule()
    def take_back(self) -> None:
        self.world.take_back()

    @precondition(lambda self: not self.world.ended)
    @rule()
    def crash(self) -> None:
        self.world.crash()

    @precondition(lambda self: not self.world.ended)
    @rule()
    def settle(self) -> None:
        self.world.settle()

    @precondition(lambda self: not self.world.ended)
    @rule()
    def pause(self) -> None:
        self.world.pause()

    @precondition(lambda self: not self.world.ended)
    @rule()
    def keep(self) -> None:
        self.world.keep()

    @rule(kept=st.integers(0, 3))
    def trim(self, kept: int) -> None:
        self.world.trim(kept)

    @precondition(lambda self: len(self.readings) < READERS)
    @rule()
    def come(self) -> None:
        self.readings.append(Reading(self.world))

    @rule(number=st.integers(0, READERS - 1), count=st.integers(1, 5))
    def hear(self, number: int, count: int) -> None:
        self.reading(number).hear(count)

    @rule(number=st.integers(0, READERS - 1))
    def lag(self, number: int) -> None:
        if not self.reading(number).ended:
            self.reading(number).lag()

    @rule(number=st.integers(0, READERS - 1), meanwhile=st.sampled_from(MEANWHILE))
    def reconnect(self, number: int, meanwhile: str) -> None:
        """The writer may do something between the moment at which the log is read and that of the row."""
        reading = self.reading(number)
        if reading.ended or self.world.ended:
            return
        reading.meanwhile = getattr(self.world, meanwhile)
        reading.connect()
        reading.meanwhile = lambda: None

    @rule(number=st.integers(0, READERS - 1), count=st.integers(1, 3))
    def hear_again(self, number: int, count: int) -> None:
        """Entries before the next one arrive once more, as they do where subscribing and reading overlap."""
        reading, known = self.reading(number), self.world.log
        if reading.arriving:
            known = [event for event in known if order(event) < order(reading.arriving[0])]
        reading.arriving[:0] = known[-count:]

    @rule(number=st.integers(0, READERS - 1))
    def lose_a_delta(self, number: int) -> None:
        """It should not happen without a word; if it did, the offsets would show it."""
        arriving = self.reading(number).arriving
        if arriving and arriving[0].type == events.DELTA:
            del arriving[0]

    @rule(number=st.integers(0, READERS - 1))
    def look(self, number: int) -> None:
        self.reading(number).look()

    @precondition(lambda self: not self.world.ended)
    @rule()
    def end(self) -> None:
        self.world.end()

    @invariant()
    def texts_are_prefixes_of_what_their_attempts_produced(self) -> None:
        for reading in self.readings:
            tries = self.world.produced.get(reading.attempt, [""])
            assert reading.ended or any(text.startswith(reading.text) for text in tries), (reading.text, tries)

    @invariant()
    def what_is_settled_is_the_beginning_of_the_text(self) -> None:
        assert self.world.text.startswith(self.world.settled)
        assert self.world.checkpoint.startswith(self.world.settled)

    @invariant()
    def ids_only_grow_on_a_connection(self) -> None:
        for reading in self.readings:
            places = [log.order(id_) for id_ in reading.ids]
            assert places == sorted(set(places))

    @invariant()
    def no_delta_repeats_what_the_client_has(self) -> None:
        assert [reading.repeated for reading in self.readings] == [0] * len(self.readings)

    def teardown(self) -> None:
        if not self.world.ended:
            self.world.end()
        for reading in self.readings:
            reading.hear(10_000)
            if not reading.ended:
                reading.lag()
            assert reading.ended
            assert reading.text == self.world.text

    def reading(self, number: int) -> Reading:
        return self.readings[number % len(self.readings)]


Following.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None, derandomize=True)
TestFollowing = Following.TestCase
