"""The proxy in front of a server that echoes, in each of its modes."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.proxy import Proxy
from tests.support.serving import serving
from tests.support.stack import until


class Echo(socketserver.ThreadingTCPServer):
    """Sends back what it gets, and remembers it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), EchoOne)
        self.heard = b""
        self.ended = 0


class EchoOne(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Echo)
        try:
            while data := self.request.recv(65_536):
                self.server.heard += data
                self.request.sendall(data)
        except ConnectionError:
            pass
        self.server.ended += 1


@pytest.fixture
def echo() -> Iterator[Echo]:
    with serving(Echo()) as server:
        yield server


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", echo.server_address[1]) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with connected(proxy) as client:
        assert ask(client, b"hello") == b"hello"
        yield client


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def connect_and_read(proxy: Proxy) -> bytes:
    """A reset may come as early as in connecting."""
    with connected(proxy) as client:
        return client.recv(1)


def ask(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return read(client, len(data))


def read(client: socket.socket, count: int) -> bytes:
    """So many bytes, or fewer where the other side ends."""
    got = b""
    while len(got) < count and (data := client.recv(count - len(got))):
        got += data
    return got


def test_it_passes_everything_on_and_counts_it(client: socket.socket, proxy: Proxy, echo: Echo) -> None:
    large = b"x" * 3_000_000
    sending = threading.Thread(target=client.sendall, args=(large,))
    sending.start()
    assert read(client, len(large)) == large
    sending.join()
    assert (proxy.connections, proxy.open) == (1, 1)
    assert proxy.requested == proxy.answered == len(large) + 5
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    until(lambda: not proxy.open and echo.ended, what="the end")


def test_latency_delays_each_direction_of_an_open_connection(client: socket.socket, proxy: Proxy) -> None:
    proxy.latency(0.15)
    began = time.monotonic()
    assert ask(client, b"late") == b"late"
    assert 0.3 <= time.monotonic() - began < 3
    proxy.heal()
    began = time.monotonic()
    assert ask(client, b"soon") == b"soon"
    assert time.monotonic() - began < 0.3


def test_latency_does_not_slow_a_stream_down(client: socket.socket, proxy: Proxy) -> None:
    proxy.latency(0.1)
    began = time.monotonic()
    for _ in range(20):
        client.sendall(b"x" * 10)
        time.sleep(0.01)  # a stream's own pace
    assert read(client, 200) == b"x" * 200
    assert time.monotonic() - began < 2  # 20 times the latency would be 4 s


def test_a_black_hole_keeps_connections_open_and_passes_nothing(
    client: socket.socket, proxy: Proxy, echo: Echo
) -> None:
    proxy.blackhole()
    client.sendall(b"anyone?")
    with connected(proxy) as second:
        second.sendall(b"nor here")
        for sock in (client, second):
            sock.settimeout(0.2)
            with pytest.raises(TimeoutError):
                sock.recv(1)
        assert echo.heard == b"hello"
        proxy.heal()
        for sock, said in ((client, b"anyone?"), (second, b"nor here")):
            sock.settimeout(5)
            assert read(sock, len(said)) == said


def test_a_reset_reaches_open_and_new_connections(client: socket.socket, proxy: Proxy, echo: Echo) -> None:
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionResetError):
        connect_and_read(proxy)
    until(lambda: echo.ended == 1 and not proxy.open, what="the end of the target's side")
    proxy.heal()
    with connected(proxy) as third:
        assert ask(third, b"again") == b"again"


def test_a_cut_resets_what_is_open_and_serves_what_comes(client: socket.socket, proxy: Proxy) -> None:
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with connected(proxy) as second:
        assert ask(second, b"again") == b"again"


@pytest.mark.parametrize("count", [0, 1, 7, 100_000])
def test_a_cut_comes_after_exactly_so_many_bytes(client: socket.socket, proxy: Proxy, count: int) -> None:
    proxy.cut_after(count)
    with connected(proxy) as second:
        for sock in (client, second):
            sock.sendall(b"y" * (count + 10))
            assert read(sock, count) == b"y" * count
            with pytest.raises(ConnectionResetError):
                sock.recv(1)


def test_dropped_responses_were_asked_for_but_never_arrive(client: socket.socket, proxy: Proxy, echo: Echo) -> None:
    proxy.drop_responses()
    answered = proxy.answered
    client.sendall(b"do it")
    assert client.recv(1) == b""
    assert echo.heard == b"hellodo it"
    until(lambda: not proxy.open, what="the end of the target's side")
    with connected(proxy) as second:
        assert ask(second, b"again") == b""
    assert proxy.answered == answered
    assert echo.heard == b"hellodo itagain"


def test_refused_connections_are_refused_until_healed_on_the_same_port(client: socket.socket, proxy: Proxy) -> None:
    proxy.refuse()
    proxy.refuse()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.heal()
    proxy.heal()
    with connected(proxy) as second:
        assert ask(second, b"again") == b"again"


def test_a_target_that_is_away_resets_the_client(proxy: Proxy, echo: Echo) -> None:
    echo.socket.close()
    with pytest.raises(ConnectionResetError):
        connect_and_read(proxy)


def test_a_hundred_connections_are_served_and_cut_at_once(proxy: Proxy) -> None:
    clients = [connected(proxy) for _ in range(100)]
    assert all(ask(client, b"%d" % number) == b"%d" % number for number, client in enumerate(clients))
    assert proxy.open == 100
    proxy.cut()
    for client in clients:
        with client, pytest.raises(ConnectionResetError):
            client.recv(1)
    until(lambda: not proxy.open, what="the end")
