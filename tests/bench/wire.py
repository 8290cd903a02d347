"""HTTP for the load client, as little of it as answers need: what a token costs here, the measured side cannot have."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any, Self

END = b"0\r\n\r\n"
TOKEN = re.compile(rb"\bw(\d+)")

Chunk = tuple[int, bytes]


class Lost(Exception):
    """The connection ended, or was answered, in another way than asked for."""


class Wire(asyncio.Protocol):
    """One kept-alive connection. Everything received is kept with its time and read after the measurement."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.lost = False
        self.keep = True
        self.bytes = 0
        self._waiting: asyncio.Future[None] | None = None
        self._is_over = _has_body

    @classmethod
    async def to(cls, port: int, source: str = "127.0.0.1") -> Self:
        """A connection to a port of this machine, from one of its loopback addresses."""
        loop = asyncio.get_running_loop()
        local = None if source == "127.0.0.1" else (source, 0)
        _, wire = await loop.create_connection(cls, "127.0.0.1", port, local_addr=local)
        return wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._wake()

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        if self.keep:
            self.chunks.append((time.monotonic_ns(), data))
            if self._waiting is not None and self._is_over(self.chunks):
                self._wake()

    async def ask(self, method: str, path: str, key: str = "", body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """Status and body of an answer that tells its length."""
        self._is_over = _has_body
        self._send(method, path, key, body)
        await self.over()
        head, _, content = b"".join(data for _, data in self.chunks).partition(b"\r\n\r\n")
        return _status(head), content

    def stream(self, method: str, path: str, key: str = "", body: dict[str, Any] | None = None) -> None:
        """Ask for a stream; `over` waits for its end, `chunks` is what came."""
        self._is_over = _has_end
        self._send(method, path, key, body)

    async def over(self) -> None:
        """Wait for the end of the answer; raises Lost when the connection ends before."""
        self._waiting = asyncio.get_running_loop().create_future()
        if not self._is_over(self.chunks) and not self.lost:
            await self._waiting
        self._waiting = None
        if not self._is_over(self.chunks):
            raise Lost("the server hung up")

    async def head(self) -> int:
        """Wait for the first part of a stream that is more than headers; the status of its answer."""
        self._is_over = _has_begun
        await self.over()
        return _status(self.chunks[0][1])

    async def until(self, word: bytes) -> None:
        """Wait until a stream brings `word`."""
        self._is_over = lambda chunks: word in b"".join(data for _, data in chunks[-2:])
        await self.over()

    def forget(self, *, keep: bool) -> None:
        """Drop what was received; `keep` says whether to keep what comes."""
        self.chunks.clear()
        self.keep = keep

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    def _send(self, method: str, path: str, key: str, body: dict[str, Any] | None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        if content:
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        self.chunks.clear()
        self.bytes = 0
        self._transport.write(f"{head}\r\n".encode() + content)

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def _has_body(chunks: list[Chunk]) -> bool:
    head, end, body = b"".join(data for _, data in chunks).partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return bool(end) and length is not None and len(body) >= int(length[1])


def _has_end(chunks: list[Chunk]) -> bool:
    if not chunks:
        return False
    last = chunks[-1][1]
    if len(last) < len(END):
        last = b"".join(data for _, data in chunks[-5:])
    return last.endswith(END)


def _has_begun(chunks: list[Chunk]) -> bool:
    return bool(chunks) and b"\n\n" in b"".join(data for _, data in chunks)


def _status(head: bytes) -> int:
    return int(head.split(b" ", 2)[1])


def receipts(chunks: list[Chunk]) -> list[int]:
    """When each token was first there as part of a whole event: token 1's time first.

    The texts are those of the fake provider, in whatever format: a token is a `w` and its number.
    """
    times: list[int] = []
    rest = b""
    for moment, data in chunks:
        *events, rest = (rest + data).split(b"\n\n")
        for event in events:
            highest = max(map(int, TOKEN.findall(event)), default=0)
            times.extend([moment] * (highest - len(times)))
    return times
