"""One thread reads for all calls: each gets its own, and none holds up or spoils another."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from app.llm.arrivals import Arrivals
from app.llm.call import Call
from app.llm.endpoint import Endpoint
from app.llm.openai_compatible import OpenAICompatible
from app.llm.types import Delta, Finished, ModelRequest, TextDelta, Turn
from tests.llm.conftest import whole
from tests.support.serving import Quiet, serving
from tests.support.stack import until


class Ear:
    """Takes what comes until it has heard `last`."""

    def __init__(self, last: bytes = b".") -> None:
        self.heard = b""
        self.threads: set[str] = set()
        self.last = last

    def __call__(self, data: bytes) -> bool:
        self.threads.add(threading.current_thread().name)
        self.heard += data
        return data.endswith(self.last)


@pytest.fixture
def arrivals() -> Arrivals:
    return Arrivals(pause_seconds=0.001)


def started(do: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Do it in a thread that nobody waits for, should it never end."""
    ended: Future[Any] = Future()

    def run() -> None:
        try:
            ended.set_result(do(*arguments))
        except Exception as error:
            ended.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return ended


@contextlib.contextmanager
def pairs(count: int) -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    with contextlib.ExitStack() as stack:
        made = [socket.socketpair() for _ in range(count)]
        for both in made:
            for sock in both:
                stack.enter_context(sock)
        yield made


def test_each_gets_what_is_said_to_it_in_one_thread_for_all(arrivals: Arrivals) -> None:
    ears = [Ear() for _ in range(30)]
    with pairs(30) as made:
        reading = [started(arrivals.attend, ours, ear) for (ours, _), ear in zip(made, ears, strict=True)]
        for word in ("a", "b", "c."):
            for number, (_, far) in enumerate(made):
                far.sendall(f"{number}{word}".encode())
        for each in reading:
            assert each.result(10) is None
    assert [ear.heard for ear in ears] == [f"{n}a{n}b{n}c.".encode() for n in range(30)]
    assert {name for ear in ears for name in ear.threads} == {"arrivals"}


def test_what_one_raises_ends_it_alone(arrivals: Arrivals) -> None:
    def broken(_: bytes) -> bool:
        raise KeyError("mine")

    ear = Ear()
    with pairs(2) as ((ours, far), (other, other_far)):
        going_on = started(arrivals.attend, other, ear)
        failing = started(arrivals.attend, ours, broken)
        far.sendall(b"x")
        with pytest.raises(KeyError, match="mine"):
            failing.result(10)
        other_far.sendall(b"still here.")
        going_on.result(10)
    assert ear.heard == b"still here."


def test_a_connection_that_ends_is_told_as_nothing_and_one_that_breaks_is_raised(arrivals: Arrivals) -> None:
    ear = Ear(last=b"")
    with socket.create_server(("127.0.0.1", 0)) as server, pairs(1) as ((ours, far),):
        far.close()
        started(arrivals.attend, ours, lambda data: not data and ear(data)).result(10)
        near = socket.create_connection(server.getsockname())
        with near:
            peer, _ = server.accept()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closing resets
            breaking = started(arrivals.attend, near, ear)
            peer.close()
            with pytest.raises(ConnectionResetError):
                breaking.result(10)
    assert ear.heard == b""


def test_who_has_heard_enough_may_read_on_by_itself(arrivals: Arrivals) -> None:
    with pairs(1) as ((ours, far),):
        for _ in range(3):  # its number is free again each time
            reading = started(arrivals.attend, ours, Ear())
            far.sendall(b"enough.")
            reading.result(10)
        far.sendall(b"rest")
        assert ours.gettimeout() is None
        assert ours.recv(10) == b"rest"


def test_a_chunk_that_stalls_in_its_middle_holds_nobody_up() -> None:
    first = chunk(event({"content": "w1"}))
    said, half = [chunk(event({"content": " w2"}, "stop")), chunk(b"")], first[:3]
    with telling(half) as stalled, telling(first, *said) as whole_one:
        waiting = started(whole, stalled.source, REQUEST)
        until(lambda: stalled.asked == 1)
        assert whole(whole_one.source, REQUEST) == [TextDelta("w1"), TextDelta(" w2"), Finished("stop")]
        assert not waiting.done()
        stalled.say(first[3:], *said)
        assert waiting.result(10) == [TextDelta("w1"), TextDelta(" w2"), Finished("stop")]


def test_a_compressed_stream_is_read_all_the_same() -> None:
    body = gzip.compress(event({"content": "w1"}) + event({}, "stop"))
    with telling(chunk(body), chunk(b""), encoding="gzip") as server:
        assert whole(server.source, REQUEST) == [TextDelta("w1"), Finished("stop")]


def test_what_tls_has_deciphered_with_the_head_is_not_left_lying(tls: ssl.SSLContext) -> None:
    long, said = "x" * 12_000, list[Delta]()  # with the head in one record, which is more than is read for a head
    with telling(chunk(event({"content": long})), tls=tls) as server:
        reading = started(server.source.stream, REQUEST, Call(10, 10), said.append)
        until(lambda: said == [TextDelta(long)])
        server.say(chunk(event({}, "stop")), chunk(b""))
        assert reading.result(10) == Finished("stop")


REQUEST = ModelRequest("m", (Turn("user", "hi"),))


def event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


class Telling(ThreadingHTTPServer):
    """Says this much of a chunked body at once and the rest when it is told."""

    daemon_threads = True

    def __init__(self, parts: tuple[bytes, ...], encoding: str | None, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.parts = parts
        self.encoding = encoding
        self.asked = 0
        self.connection: socket.socket
        scheme = "http" if tls is None else "https"
        self.source = OpenAICompatible(Endpoint("openai", "Telling", f"{scheme}://127.0.0.1:{self.server_port}"))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def say(self, *parts: bytes) -> None:
        """Go on."""
        for part in parts:
            self.connection.sendall(part)


class _Handler(Quiet):
    protocol_version = "HTTP/1.1"
    server: Telling

    def do_POST(self) -> None:
        """One call."""
        self.rfile.read(int(self.headers["Content-Length"]))
        encoding = f"content-encoding: {self.server.encoding}\r\n" if self.server.encoding else ""
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n{encoding}\r\n"
        self.server.connection = self.connection
        self.server.say(b"".join([head.encode(), *self.server.parts]))
        self.server.asked += 1


@contextlib.contextmanager
def telling(*parts: bytes, encoding: str | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Telling]:
    with serving(Telling(parts, encoding, tls)) as server:
        try:
            yield server
        finally:
            with contextlib.suppress(OSError):  # who still reads from it must not wait for ever
                server.connection.shutdown(socket.SHUT_RDWR)
