"""A lean fake provider, as a process of its own: writes numbered tokens at exact times and remembers when it did.

It speaks only OpenAI's streamed chat completions and understands only `fake-t200-r50-first50` of tests/provider, whose
server costs too much a token to run beside what is measured. `GET /writes` gives, for each user message, when it was
asked and when each token was written, in nanoseconds of the clock that all processes of a machine share; it then
forgets them.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from functools import cache
from typing import Any

from tests.provider.behaviour import Behaviour
from tests.provider.dialect import Counts
from tests.provider.openai_dialect import OpenAIDialect

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BACKLOG = 4096

Writes = dict[str, tuple[int, list[int]]]
dialect = OpenAIDialect()


class Call(asyncio.Protocol):
    """One connection, kept alive: a request, its stream, the next request."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes
        self._received = b""
        self._due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._due is not None:
            self._due.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if end and len(body) >= _content_length(head):
            self._received = b""
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /writes "):
            content = json.dumps(self._writes).encode()
            self._writes.clear()
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(content), content))
        else:
            self._begin(json.loads(body))

    def _begin(self, request: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        self._behaviour = Behaviour.of(request["model"])
        self._prompt = dialect.messages(request)[-1]["content"]
        self._times: list[int] = []
        self._writes[self._prompt] = (time.monotonic_ns(), self._times)
        self._transport.write(HEAD + chunked(dialect.opening(Counts.of([], self._behaviour))))
        self._start = loop.time() + self._behaviour.first_ms / 1000
        self._due = loop.call_at(self._start, self._token)

    def _token(self) -> None:
        number = len(self._times) + 1
        self._times.append(time.monotonic_ns())
        self._transport.write(token(number))
        if number == self._behaviour.tokens:
            self._transport.write(chunked(dialect.ending("stop", Counts.of([], self._behaviour))) + b"0\r\n\r\n")
            return
        pause = number / self._behaviour.rate if self._behaviour.rate else 0
        self._due = asyncio.get_running_loop().call_at(self._start + pause, self._token)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def chunked(content: bytes) -> bytes:
    """One chunk of HTTP."""
    return b"%x\r\n%s\r\n" % (len(content), content)


@cache
def token(number: int) -> bytes:
    """The chunk with the token of this number, counted from 1."""
    return chunked(dialect.token(f"w{number}" if number == 1 else f" w{number}"))


async def serve() -> None:
    """Serve until killed; prints the URL as the first line."""
    writes: Writes = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Call(writes), "127.0.0.1", 0, backlog=BACKLOG)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    gc.disable()  # a pause of the provider would look like a slow relay; it lives for minutes only
    asyncio.run(serve())
