"""Connections to providers: kept for the next call while they are whole, and for nobody else at the time."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from app.config import Settings
from app.llm import wire
from app.llm.call import Call
from app.llm.connections import Connection, Idle, connect
from app.llm.errors import CallCut
from app.llm.providers import resolve
from app.llm.types import Delta, ModelRequest, Provider, TextDelta, Turn
from tests.llm.keeping import Keeping, keeping
from tests.support.stack import until


class Stream(Iterator[Delta]):
    """What a call says, from a thread of its own."""

    def __init__(self, source: Provider, request: ModelRequest, call: Call, leaves: bool) -> None:
        """`leaves` at the first word."""
        self._said: SimpleQueue[Delta | None] = SimpleQueue()
        self._leaves = leaves
        self._pool = ThreadPoolExecutor(1)
        self._end = self._pool.submit(source.stream, request, call, self._take)
        self._end.add_done_callback(lambda _: self._said.put(None))

    def __next__(self) -> Delta:
        said = self._said.get(timeout=10)
        if said is None:
            self._pool.shutdown()
            self._end.result()
            raise StopIteration
        return said

    def _take(self, delta: Delta) -> None:
        if self._leaves:
            raise KeyError("left")
        self._said.put(delta)


Streams = Callable[..., Stream]


@pytest.fixture
def server() -> Iterator[Keeping]:
    with keeping() as running:
        yield running


@pytest.fixture
def stream(settings: Settings, server: Keeping) -> Streams:
    """A call to `server`: `stream("waits", call)`."""

    def made(model: str = "whole", call: Call | None = None, url: str | None = None, leaves: bool = False) -> Stream:
        changed = {"openai_base_url": url or f"http://127.0.0.1:{server.port}/v1"}
        source, found = resolve(settings.model_copy(update=changed), f"openai/{model}")
        return Stream(source, ModelRequest(found.name, (Turn("user", "hi"),)), call or Call(10, 10), leaves)

    return made


def text(stream: Stream) -> str:
    return "".join(delta.text for delta in stream)


def opened(server: Keeping) -> Connection:
    return connect(("http", "127.0.0.1", server.port), wire._tls, lambda _: None)


def test_calls_one_after_another_share_a_connection(stream: Streams, server: Keeping) -> None:
    assert [text(stream()) for _ in range(5)] == ["w1 w2"] * 5
    assert len(server.asked) == 5
    assert len(set(server.asked)) == 1


def test_calls_at_the_same_time_have_one_each(stream: Streams, server: Keeping) -> None:
    streams = [stream("waits") for _ in range(3)]
    until(lambda: len(server.asked) == 3)
    server.may_go_on.set()
    assert [text(each) for each in streams] == ["w1 w2"] * 3
    assert len(set(server.asked)) == 3


def test_one_that_the_server_has_closed_is_not_used_again(stream: Streams, server: Keeping) -> None:
    assert text(stream("closes")) == "w1 w2"
    until(lambda: server.ended == server.asked)
    assert text(stream()) == "w1 w2"
    assert len(set(server.asked)) == 2


def test_an_answer_that_does_not_end_is_not_waited_for_nor_its_connection_used_again(
    stream: Streams, server: Keeping
) -> None:
    assert text(stream("never")) == "w1 w2"
    assert text(stream()) == "w1 w2"
    assert len(set(server.asked)) == 2


def test_one_that_was_left_in_mid_answer_is_not_used_again(stream: Streams, server: Keeping) -> None:
    with pytest.raises(KeyError, match="left"):
        text(stream("waits", leaves=True))
    assert text(stream()) == "w1 w2"
    assert len(set(server.asked)) == 2


def test_one_that_was_cut_is_not_used_again(stream: Streams, server: Keeping) -> None:
    call = Call(10, 10)
    cut = stream("waits", call)
    assert next(cut) == TextDelta("w1")
    call.cut("cancelled")
    with pytest.raises(CallCut):
        list(cut)
    assert text(stream()) == "w1 w2"
    assert len(set(server.asked)) == 2


def test_a_cut_that_comes_too_late_leaves_the_next_call_alone(stream: Streams, server: Keeping) -> None:
    late = Call(10, 10)
    assert text(stream(call=late)) == "w1 w2"
    following = stream("waits")
    assert next(following) == TextDelta("w1")
    late.cut("cancelled")
    server.may_go_on.set()
    assert text(following) == " w2"
    assert len(set(server.asked)) == 1


def test_a_call_that_was_cut_in_the_meantime_asks_nothing_on_a_kept_one(stream: Streams, server: Keeping) -> None:
    assert text(stream()) == "w1 w2"
    call = Call(10, 10)
    call.cut("cancelled")
    with pytest.raises(CallCut):
        list(stream(call=call))
    assert len(server.asked) == 1


def test_they_are_shared_under_tls_too(stream: Streams, tls: ssl.SSLContext) -> None:
    with keeping(tls) as secure:
        url = f"https://127.0.0.1:{secure.port}/v1"
        assert [text(stream(url=url)) for _ in range(3)] == ["w1 w2"] * 3
        assert len(secure.asked) == 3
        assert len(set(secure.asked)) == 1


def test_one_that_nobody_wants_for_long_is_closed(server: Keeping) -> None:
    idle = Idle(seconds=0.1)
    first, second = opened(server), opened(server)
    idle.keep(first)
    idle.keep(second)
    until(lambda: len(server.ended) == 2, what="the end of both")
    assert idle.take(first.origin) is None


def test_no_more_are_kept_than_allowed_and_the_last_used_is_taken_first(server: Keeping) -> None:
    idle = Idle(most=2)
    made = [opened(server) for _ in range(3)]
    for connection in made:
        idle.keep(connection)
    until(lambda: len(server.ended) == 1, what="the end of one")
    assert [idle.take(made[0].origin) for _ in range(3)] == [made[2], made[1], None]
    for connection in made:
        connection.close()


def test_one_to_another_place_is_not_taken(server: Keeping) -> None:
    idle = Idle()
    kept = opened(server)
    idle.keep(kept)
    for other in (("https", *kept.origin[1:]), (*kept.origin[:2], 1), ("http", "localhost", server.port)):
        assert idle.take(other) is None
    assert idle.take(kept.origin) is kept
    kept.close()
