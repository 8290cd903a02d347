from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from redis import Redis

from app import redis_client
from app.config import Settings
from app.stream import events, log
from app.stream.events import Event
from app.stream.flusher import Flusher, Outcome, Source
from app.stream.score import Score
from app.stream.writer import Writer
from tests.stream.conftest import MakeWriter, delta
from tests.support.own_valkey import OwnValkey
from tests.support.reader import Reader
from tests.support.stack import until

REPLY = "11111111-1111-7111-8111-111111111111"


def logged(client: Redis, thread_id: str) -> list[Event]:
    return log.read_tail(client, thread_id, count=10_000)


def applied(entries: list[Event]) -> Reader:
    """A client that has applied the entries."""
    reader = Reader()
    for event in entries:
        shown = {"type": event.type, "message_id": event.message_id, "attempt": event.attempt} | dict(event.fields)
        reader.apply(shown, event.cursor)
    return reader


@contextmanager
def busy(flusher: Flusher) -> Iterator[None]:
    """The flusher, kept from its next flush until the end of the block."""
    taken, released = threading.Event(), threading.Event()

    def take() -> list[Event]:
        taken.set()
        released.wait(10)
        return []

    def told(_sent: list[Event], _outcomes: list[Outcome]) -> None: ...

    flusher.ring(Source(take, told))
    assert taken.wait(10)
    yield
    released.set()


def test_deltas_that_wait_for_the_same_flush_become_one_entry(
    client: Redis, flusher: Flusher, make_writer: MakeWriter, thread_id: str
) -> None:
    writer = make_writer()
    with busy(flusher):
        for number in range(200):
            writer.delta(f"w{number} ")
    assert writer.settle(5)
    [entry] = logged(client, thread_id)
    assert entry.fields == {"offset": 0, "text": writer.text, "sequence_number": 2}


def test_entries_keep_the_order_in_which_they_were_written(
    client: Redis, flusher: Flusher, make_writer: MakeWriter, thread_id: str
) -> None:
    writer = make_writer()
    with busy(flusher):
        writer.send(events.PROCESSING, {"model_id": "m"})
        writer.delta("a")
        writer.reasoning("why")
        writer.reasoning(" not")
        writer.delta("b")
        writer.delta("c")
        writer.reset("")
        writer.delta("🎈")
        writer.delta("e")
        writer.send(events.WAITING, {})
    assert writer.settle(5)
    entries = [
        (e.type.partition(".")[2], e.fields.get("offset"), e.fields.get("text")) for e in logged(client, thread_id)
    ]
    assert entries == [
        ("processing", None, None),
        ("delta", 0, "a"),
        ("reasoning", 0, "why not"),
        ("delta", 1, "bc"),
        ("reset", 0, ""),
        ("delta", 0, "🎈e"),
        ("waiting", None, None),
    ]
    assert writer.text == "🎈e"


def test_offsets_count_code_points(client: Redis, make_writer: MakeWriter, thread_id: str) -> None:
    writer = make_writer()
    for text in ("🎈é", "नि", "x"):
        writer.delta(text)
        assert writer.settle(5)
    assert [event.fields["offset"] for event in logged(client, thread_id)] == [0, 2, 4]


def test_many_writers_of_one_flusher_lose_and_mix_up_nothing(
    client: Redis, make_writer: MakeWriter, thread_id: str
) -> None:
    writers = [make_writer() for _ in range(12)]

    def write(writer: Writer) -> None:
        for number in range(150):
            writer.delta(f"{number} ")
        writer.settle(10)

    with ThreadPoolExecutor(len(writers)) as pool:
        list(pool.map(write, writers))
    reader = applied(logged(client, thread_id))
    assert {reply.text for reply in reader.replies.values()} == {"".join(f"{number} " for number in range(150))}
    assert (len(reader.replies), reader.gaps, reader.ordered) == (12, 0, True)


def test_what_may_not_be_written_stays_here_and_is_made_good_once_it_may(
    client: Redis, make_writer: MakeWriter, thread_id: str
) -> None:
    allowed = threading.Event()
    writer = make_writer(may_write=allowed.is_set)
    writer.send(events.PROCESSING, {"model_id": "m"})
    writer.delta("kept ")
    assert not writer.settle(0.1)
    assert logged(client, thread_id) == []
    allowed.set()
    writer.delta("back")
    assert writer.settle(5)
    assert [event.type for event in logged(client, thread_id)] == [events.PROCESSING, events.RESET]
    assert applied(logged(client, thread_id)).replies[str(logged(client, thread_id)[0].message_id)].text == "kept back"


def test_a_later_attempt_that_is_healed_as_it_begins_still_begins_with_what_it_took_over(
    client: Redis, make_writer: MakeWriter, thread_id: str
) -> None:
    allowed = threading.Event()
    writer = make_writer(attempt=2, may_write=allowed.is_set)
    writer.go_on(Score(1), "settled ")
    writer.begin("m")
    writer.delta("and on")
    assert not writer.settle(0.1)
    allowed.set()
    writer.delta("wards")
    assert writer.settle(5)
    told = [(event.type, event.fields.get("text")) for event in logged(client, thread_id)]
    assert told == [(events.RESET, "settled "), (events.PROCESSING, None), (events.RESET, "settled and onwards")]


def test_a_writer_whose_reply_is_anothers_falls_silent_and_knows_it(
    client: Redis, settings: Settings, make_writer: MakeWriter, thread_id: str
) -> None:
    old = make_writer(attempt=1, message_id=REPLY)
    old.delta("old")
    assert old.settle(5)
    log.append(client, settings, [delta(thread_id, REPLY, "new", attempt=2)])
    old.delta("late")
    until(lambda: old.refused, what="the refusal")
    old.send(events.WAITING, {})
    assert old.settle(5)
    assert [(event.attempt, event.fields["text"]) for event in logged(client, thread_id)] == [(1, "old"), (2, "new")]


def test_settling_waits_for_what_is_on_its_way(flusher: Flusher, make_writer: MakeWriter) -> None:
    writer = make_writer()
    assert writer.settle(0)
    with busy(flusher):
        writer.delta("x")
        assert not writer.settle(0.05)
    assert writer.settle(5)


def test_an_event_that_cannot_be_sent_stops_neither_its_writer_nor_the_others(
    client: Redis, make_writer: MakeWriter, thread_id: str
) -> None:
    odd, other = make_writer(), make_writer()
    odd.delta("fine")
    assert odd.settle(5)
    odd.reasoning("half a pair: \ud800")
    assert odd.settle(5)
    odd.delta(" again")
    other.delta("other")
    assert odd.settle(5)
    assert other.settle(5)
    reader = applied(logged(client, thread_id))
    assert sorted(reply.text for reply in reader.replies.values()) == ["fine again", "other"]


@pytest.fixture
def fragile(own_valkey: OwnValkey, settings: Settings) -> Iterator[Callable[[], Writer]]:
    """Writers on a Valkey that the test may break."""
    with redis_client.connected(own_valkey.redis_url, 0.3) as client:
        flusher = Flusher(client, settings)
        yield lambda: Writer(flusher, "thread", REPLY, 1, may_write=lambda: True, score=Score(2))


def test_a_log_lost_with_its_redis_begins_again_with_the_whole_text(
    fragile: Callable[[], Writer], own_valkey: OwnValkey
) -> None:
    writer = fragile()
    writer.delta("Once ")
    assert writer.settle(5)
    own_valkey.lose()
    writer.delta("upon ")
    writer.settle(5)
    writer.send(events.TOOL_FAILED, {"invocation": {}})
    writer.delta("a ")
    writer.settle(1)
    own_valkey.start_valkey()
    with own_valkey.redis() as client:
        until(lambda: writer.delta("t") or logged(client, "thread"), what="an entry")
        assert writer.settle(5)
        entries = logged(client, "thread")
    assert entries[0].type == events.RESET
    assert events.TOOL_FAILED in [event.type for event in entries]
    assert applied(entries).replies[REPLY].text == writer.text
    assert applied(entries).gaps == 0


def test_writes_of_unknown_outcome_never_double_the_text(fragile: Callable[[], Writer], own_valkey: OwnValkey) -> None:
    writer = fragile()
    for number in range(6):
        writer.delta(f"{number} ")
        if number in {2, 4}:
            own_valkey.freeze()
            writer.delta("frozen ")
            assert not writer.settle(0.1)
            writer.settle(2)
            own_valkey.thaw()
    writer.delta("end")
    assert writer.settle(5)
    with own_valkey.redis() as client:
        reader = applied(logged(client, "thread"))
    assert reader.replies[REPLY].text == writer.text == "0 1 2 frozen 3 4 frozen 5 end"
    assert reader.gaps == 0
