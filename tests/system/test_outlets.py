"""Streams as they go over the wire: what HTTP says of them, and that none is a request of the server's."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import ExitStack

import psutil

from tests.conftest import MakeStack
from tests.support.stack import Stack
from tests.system.posting import post, words


def asked(stack: Stack, key: str, method: str, path: str, protocol: str) -> socket.socket:
    """A connection on which this was asked."""
    sock = socket.create_connection(("127.0.0.1", stack.port), 20)
    sock.sendall(f"{method} {path} {protocol}\r\nHost: here\r\nAuthorization: {key}\r\n\r\n".encode())
    return sock


def answer(sock: socket.socket) -> tuple[str, bytes]:
    """Head and body, up to where the server closes the connection."""
    with sock, sock.makefile("rb") as file:
        head, _, body = file.read().partition(b"\r\n\r\n")
    return head.decode().lower(), body


def unchunked(body: bytes) -> bytes:
    """What a chunked body says; it must have its last chunk."""
    found = b""
    while True:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        found, body = found + rest[:length], rest[length + 2 :]
        if not length:
            assert rest == b"\r\n"
            return found


def last_text(body: bytes) -> str:
    """The content of the reply that ends the stream."""
    event = json.loads(body.decode().strip().rpartition("data: ")[2])
    assert event["type"] == "message.completed"
    return str(event["message"]["content"])


def test_a_stream_ends_as_its_protocol_has_it(make_stack: MakeStack) -> None:
    with make_stack() as stack, stack.user() as client:
        key = client.headers["authorization"]
        reply = post(client, "!delay 0.05\n!words 40")["reply"]
        path = f"/api/messages/{reply['id']}/events"
        new, old, none = [
            asked(stack, key, method, path, protocol)
            for method, protocol in [("GET", "HTTP/1.1"), ("GET", "HTTP/1.0"), ("HEAD", "HTTP/1.0")]
        ]
        head, body = answer(new)
        assert head.startswith("http/1.1 200 ok")
        assert "transfer-encoding: chunked" in head
        assert "connection: close" in head
        assert "date: " in head
        assert last_text(unchunked(body)) == words(40)
        head, body = answer(old)
        assert "transfer-encoding" not in head
        assert body.startswith(b"retry: ")
        assert last_text(body) == words(40)
        head, body = answer(none)
        assert head.partition("\r\n")[0].endswith("200 ok")
        assert not body


def test_open_streams_take_no_requests_place(make_stack: MakeStack) -> None:
    with make_stack(GUNICORN_CMD_ARGS="--worker-connections 4") as stack, stack.user() as client, ExitStack() as held:
        reply = post(client, "!delay 0.05\n!words 100")["reply"]
        paths = [f"/api/messages/{reply['id']}/events", f"/api/threads/{reply['thread_id']}/events"]
        key = client.headers["authorization"]
        streams = [held.enter_context(asked(stack, key, "GET", path, "HTTP/1.1")) for path in 8 * paths]
        for stream in streams:
            assert stream.recv(100).startswith(b"HTTP/1.1 200 OK")
        assert client.get("/api/me").status_code == 200
        for stream in streams[::2]:
            assert last_text(unchunked(answer(stream)[1])) == words(100)


def test_several_web_processes_are_one_server(make_stack: MakeStack) -> None:
    with make_stack(WEB_CONCURRENCY="2") as stack, stack.user() as client, ExitStack() as held:
        processes = psutil.Process(stack.processes["web"].pid).children()
        assert len(processes) == 2
        reply = post(client, "!delay 0.05\n!words 30")["reply"]
        key, streams = client.headers["authorization"], []
        for paused in processes:
            paused.suspend()  # so the other one accepts
            stream = held.enter_context(asked(stack, key, "GET", f"/api/messages/{reply['id']}/events", "HTTP/1.1"))
            assert stream.recv(100).startswith(b"HTTP/1.1 200 OK")
            paused.resume()
            streams.append(stream)
        for stream in streams:
            assert last_text(unchunked(answer(stream)[1])) == words(30)
        stack.kill("web", signal.SIGTERM)
        assert not psutil.wait_procs(processes, 5)[1]
