from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask, current_app
from sqlalchemy.exc import OperationalError

from app.stream import sse
from app.stream.events import Event
from app.stream.outlets import Body, Outlets
from app.stream.steps import ASK, Following, Steps, Wait
from app.stream.subscription import QUEUE_LIMIT, Closed, Interest, Lagged, Subscription
from app.stream.takeover import LAST_CHUNK, chunk
from tests.support.stack import until

LONG = 60.0


def numbered(number: int, size: int = 0) -> Event:
    return Event("x", "thread", fields={"number": number, "padding": "." * size})


def sent(event: Event | None) -> bytes:
    return chunk(sse.line(event))


@dataclass
class Reader:
    """Steps that send every event as it is, beat, and note the threads in which they asked."""

    subscription: Subscription = field(default_factory=lambda: Subscription(Interest("thread", "key:1")))
    beat_seconds: float = LONG
    asked_in: list[str] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    ask: Callable[[], object] = lambda: None

    def steps(self) -> Steps:
        beat_at = time.monotonic() + self.beat_seconds
        try:
            while True:
                item = yield Wait(self.subscription, beat_at)
                if isinstance(item, Closed):
                    return
                if isinstance(item, Lagged):
                    yield ASK
                    self.asked_in.append(threading.current_thread().name)
                    self.ask()
                elif isinstance(item, Event):
                    yield item
                elif time.monotonic() >= beat_at:
                    yield None
                    beat_at = time.monotonic() + self.beat_seconds
        finally:
            self.left.set()


@dataclass
class Client:
    """The other end of the connection."""

    sock: socket.socket

    def reads(self, size: int) -> bytes:
        """So many bytes, or fewer at the end of the connection."""
        found = b""
        while len(found) < size and (part := self.sock.recv(size - len(found))):
            found += part
        return found

    @property
    def has_nothing(self) -> bool:
        self.sock.setblocking(False)
        try:
            return not self.sock.recv(1)
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(10)


Open = Callable[[Reader], Client]


@pytest.fixture
def open_outlet() -> Iterator[Open]:
    outlets, clients = Outlets(Flask("reading")), list[Client]()

    def make(reader: Reader) -> Client:
        ours, theirs = socket.socketpair()
        theirs.settimeout(10)
        connection = os.dup(ours.fileno())
        ours.close()
        os.set_blocking(connection, False)
        outlets.open(connection, b"head", reader.steps(), Body(sent, LAST_CHUNK))
        clients.append(Client(theirs))
        assert clients[-1].reads(4) == b"head"
        return clients[-1]

    yield make
    for client in clients:
        client.sock.close()


def test_what_comes_is_written_by_whoever_brings_it(open_outlet: Open) -> None:
    reader = Reader()
    client = open_outlet(reader)
    assert client.has_nothing
    for number in range(3):
        reader.subscription.put(numbered(number))
        expected = sent(numbered(number))
        client.sock.setblocking(False)  # it is there already
        assert client.sock.recv(1000) == expected


def test_what_came_before_is_sent_with_the_beginning(open_outlet: Open) -> None:
    reader = Reader()
    reader.subscription.put(numbered(1))
    client = open_outlet(reader)
    assert client.reads(len(sent(numbered(1)))) == sent(numbered(1))


def test_the_end_is_told_and_the_connection_closed(open_outlet: Open) -> None:
    reader = Reader()
    client = open_outlet(reader)
    reader.subscription.put(Closed())
    assert client.reads(100) == LAST_CHUNK
    assert reader.left.is_set()
    reader.subscription.put(numbered(1))  # nobody is there any more


def test_silence_brings_heartbeats_one_after_the_other(open_outlet: Open) -> None:
    reader, began = Reader(beat_seconds=0.2), time.monotonic()
    client = open_outlet(reader)
    assert client.reads(3 * len(sent(None))) == 3 * sent(None)
    assert 0.6 <= time.monotonic() - began < 5


def test_only_what_asks_gets_a_thread_and_the_order_stays(open_outlet: Open) -> None:
    may_go_on = threading.Event()
    reader = Reader(ask=lambda: may_go_on.wait(10) and current_app.name)
    client = open_outlet(reader)
    reader.subscription.put(numbered(1))
    reader.subscription.put(Lagged())  # returns, though the answer has not come
    until(lambda: bool(reader.asked_in), 10, "the question")
    reader.subscription.put(numbered(2))
    assert client.reads(len(sent(numbered(1)))) == sent(numbered(1))
    assert client.has_nothing
    may_go_on.set()
    assert client.reads(len(sent(numbered(2)))) == sent(numbered(2))
    assert reader.asked_in == ["outlet"]
    reader.subscription.put(numbered(3))
    assert client.reads(len(sent(numbered(3)))) == sent(numbered(3))


def test_a_client_that_does_not_read_holds_up_nobody_and_gets_all_it_has_room_for(open_outlet: Open) -> None:
    slow, quick = Reader(), Reader()
    slow_client, quick_client = open_outlet(slow), open_outlet(quick)
    many = [numbered(number, size=10_000) for number in range(QUEUE_LIMIT // 2)]
    for event in many:
        slow.subscription.put(event)
        quick.subscription.put(numbered(1))
        assert quick_client.reads(len(sent(numbered(1)))) == sent(numbered(1))
    everything = b"".join(map(sent, many))
    assert slow_client.reads(len(everything)) == everything


def test_one_who_catches_up_too_late_is_told_so(open_outlet: Open) -> None:
    reader = Reader()
    client = open_outlet(reader)
    for number in range(2 * QUEUE_LIMIT):
        reader.subscription.put(numbered(number, size=10_000))
    assert not reader.asked_in
    assert client.reads(len(sent(numbered(0, size=10_000)))) == sent(numbered(0, size=10_000))

    def reads_on() -> bool:
        assert client.reads(10_000)
        return bool(reader.asked_in)

    until(reads_on, 10, "the question for what was missed")


def test_a_client_that_has_left_is_left(open_outlet: Open) -> None:
    reader = Reader()
    client = open_outlet(reader)
    client.sock.close()
    reader.subscription.put(numbered(1))
    assert reader.left.wait(10)


@pytest.mark.parametrize("error", [OperationalError("", {}, Exception()), RuntimeError("a mistake of ours")])
def test_a_failure_breaks_off_this_stream_alone(open_outlet: Open, error: Exception) -> None:
    def fail() -> None:
        raise error

    reader = Reader(ask=fail)
    client = open_outlet(reader)
    reader.subscription.put(Lagged())
    assert reader.left.wait(10)
    assert client.reads(100) == b""  # no last chunk: it is not over


def test_many_who_ring_at_once_write_one_after_the_other(open_outlet: Open) -> None:
    reader = Reader()
    client = open_outlet(reader)
    ringing = [
        threading.Thread(target=lambda: [reader.subscription.put(numbered(7)) for _ in range(50)]) for _ in range(8)
    ]
    for one in ringing:
        one.start()
    expected = 400 * sent(numbered(7))
    assert client.reads(len(expected)) == expected
    for one in ringing:
        one.join()


def test_whoever_iterates_waits_and_sees_no_steps() -> None:
    reader = Reader(beat_seconds=0.1)
    following = Following(reader.steps())
    assert next(following) is None
    reader.subscription.put(Lagged())
    assert next(following) is None
    reader.subscription.put(numbered(1))
    assert next(following) == numbered(1)
    assert reader.asked_in == [threading.current_thread().name]
    following.close()
    assert reader.left.is_set()
