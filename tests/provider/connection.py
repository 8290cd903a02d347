"""One HTTP connection of the fake: one request, one answer, and the knowledge of who hung up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from typing import Any

REASON = {200: "OK", 400: "Bad Request", 404: "Not Found"}
JSON = {"content-type": "application/json"}
EVENT_STREAM = {"content-type": "text/event-stream", "cache-control": "no-cache"}


class ClientGone(Exception):
    """The client closed its side."""


class Connection:
    """Reads the request once, then writes; every pause ends at once when the client hangs up."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._gone: asyncio.Future[bytes] | None = None

    async def request(self) -> tuple[str, dict[str, str], dict[str, Any]]:
        """(path, headers, JSON body); from here on the only thing to come is the client's end."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        self._gone = asyncio.ensure_future(self._reader.read(1))
        return first.split()[1], headers, json.loads(body or b"{}")

    async def pause(self, seconds: float) -> None:
        """Wait; raises ClientGone when the client hangs up meanwhile."""
        assert self._gone is not None
        if seconds > 0.1:
            await asyncio.wait({self._gone}, timeout=seconds)
        else:
            await asyncio.sleep(seconds)  # a third of the work, which counts when hundreds of streams pause per token
        if self._gone.done():
            raise ClientGone

    async def answer(self, status: int, body: Any, headers: dict[str, str]) -> None:
        """A whole answer."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._head(status, {**JSON, **headers, "content-length": str(len(content))})
        self._writer.write(content)
        await self._writer.drain()

    def begin_stream(self, headers: dict[str, str]) -> None:
        """The headers of an event stream."""
        self._head(200, {**EVENT_STREAM, **headers, "transfer-encoding": "chunked"})

    async def send(self, content: bytes) -> None:
        """The next part of the stream."""
        self._writer.write(b"%x\r\n%s\r\n" % (len(content), content))
        try:
            await self._writer.drain()
        except ConnectionError:
            raise ClientGone from None

    def end_stream(self) -> None:
        """The end of the body, as HTTP wants it."""
        self._writer.write(b"0\r\n\r\n")

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort()

    async def close(self) -> None:
        """Close once everything is sent."""
        if self._gone is not None:
            self._gone.cancel()
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)

    def abort(self) -> None:
        """Close at once, whatever state it is in."""
        with contextlib.suppress(AttributeError):  # Python 3.11.2, where TLS that was closed twice has nothing to abort
            self._writer.transport.abort()

    def _head(self, status: int, headers: dict[str, str]) -> None:
        fields = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "connection": "close"}.items())
        self._writer.write(f"HTTP/1.1 {status} {REASON.get(status, 'Failure')}\r\n{fields}\r\n".encode())
