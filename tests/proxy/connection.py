"""One connection through the proxy: two directions, and the ways in which they end."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.proxy.faults import Faults, Traffic

CHUNK = 65_536
ARRIVAL_SECONDS = 1.0  # the longest wait for what was forwarded to arrive before a cut
DISCARD_SECONDS = 5.0  # the longest a discarded response may take

Queue = asyncio.Queue[tuple[float, bytes]]
Forward = Callable[[bytes], Awaitable[None]]


class Cut(Exception):
    """The connection ends here on purpose."""


class Connection:
    """Passes bytes between a client and the target, as the faults want it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: Faults, traffic: Traffic
    ) -> None:
        self._reader, self._client = reader, writer
        self._target: asyncio.StreamWriter | None = None
        self._faults = faults
        self._traffic = traffic
        self._counted = 0  # response bytes since the start, or since `cut_after` was set

    async def serve(self, host: str, port: int) -> None:
        """Pass everything on until both sides have ended; a target that is not there resets the client."""
        try:
            await self._faults.passing.wait()
            reader, self._target = await asyncio.open_connection(host, port)
            async with asyncio.TaskGroup() as work:
                for source, writer, forward in (
                    (self._reader, self._target, self._request),
                    (reader, self._client, self._respond),
                ):
                    due: Queue = asyncio.Queue(maxsize=64)
                    work.create_task(self._read(source, due))
                    work.create_task(self._write(due, writer, forward))
        except* (Cut, OSError):
            self.reset()
        finally:
            await self._close()

    def count_anew(self) -> None:
        """Count the bytes of `cut_after` from here on."""
        self._counted = 0

    def reset(self) -> None:
        """End both sides with RST instead of FIN."""
        for writer in self._writers():
            sock = writer.get_extra_info("socket")
            with suppress(OSError):  # closed already
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def _writers(self) -> list[asyncio.StreamWriter]:
        return [writer for writer in (self._client, self._target) if writer is not None]

    async def _close(self) -> None:
        for writer in self._writers():
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers()), return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader, due: Queue) -> None:
        """Give each chunk the time at which it may go on, so that latency delays and does not slow down."""
        chunk = b"first"
        while chunk:
            await self._faults.passing.wait()
            chunk = await reader.read(CHUNK)
            await due.put((time.monotonic() + self._faults.seconds, chunk))

    async def _write(self, due: Queue, writer: asyncio.StreamWriter, forward: Forward) -> None:
        while True:
            at, chunk = await due.get()
            await asyncio.sleep(at - time.monotonic())
            await self._faults.passing.wait()
            if not chunk:
                break
            await forward(chunk)
        writer.write_eof()

    async def _request(self, chunk: bytes) -> None:
        assert self._target is not None
        self._traffic.requested += len(chunk)
        self._target.write(chunk)
        await self._target.drain()

    async def _respond(self, chunk: bytes) -> None:
        if self._faults.drops_responses:
            self._discard()
            return
        limit = self._faults.cut_after
        if limit is not None:
            chunk = chunk[: max(0, limit - self._counted)]
        self._counted += len(chunk)
        self._traffic.answered += len(chunk)
        self._client.write(chunk)
        await self._client.drain()
        if limit is not None and self._counted >= limit:
            await self._arrived()
            raise Cut

    def _discard(self) -> None:
        """Close the client's side at the first byte of a response, but let the target finish saying it."""
        if not self._client.is_closing():
            self._client.close()
            asyncio.get_running_loop().call_later(DISCARD_SECONDS, self.reset)

    async def _arrived(self) -> None:
        """A reset throws away what the kernel has not delivered; the client shall get every byte up to the cut."""
        sock = self._client.get_extra_info("socket")
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while time.monotonic() < deadline and self._undelivered(sock.fileno()):
            await asyncio.sleep(0.001)

    def _undelivered(self, fileno: int) -> bool:
        if self._client.transport.get_write_buffer_size():
            return True
        return any(fcntl.ioctl(fileno, termios.TIOCOUTQ, bytes(4)))
