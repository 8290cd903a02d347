"""The proxy: one event loop in a thread, which holds hundreds of connections, and the faults that a test sets."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

from tests.proxy.connection import Connection
from tests.proxy.faults import Faults, Traffic

T = TypeVar("T")


class Proxy:
    """Passes connections from `port` on to the target between `with` and its end.

    A fault holds as soon as its method returns, for connections that are open and for new ones, until `heal` or
    another fault; only latency goes together with the others.
    """

    def __init__(self, host: str, target_port: int) -> None:
        self.port = 0
        self._target = (host, target_port)
        self._faults = Faults()
        self._traffic = Traffic()
        self._open: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def connections(self) -> int:
        """How many were ever accepted."""
        return self._traffic.connections

    @property
    def open(self) -> int:
        """How many are open now."""
        return len(self._open)

    @property
    def requested(self) -> int:
        """Bytes passed on to the target."""
        return self._traffic.requested

    @property
    def answered(self) -> int:
        """Bytes passed on to clients."""
        return self._traffic.answered

    def latency(self, seconds: float) -> None:
        """Delay everything by so much in each direction."""
        self._do(lambda: setattr(self._faults, "seconds", seconds))

    def blackhole(self) -> None:
        """Accept, read and forward nothing; connections stay open, and `heal` lets what was held back flow."""
        self._become()
        self._do(self._faults.passing.clear)

    def reset(self) -> None:
        """RST every connection, open or new."""
        self._become(resets=True)
        self._do(self._reset_all)

    def cut(self) -> None:
        """RST the connections that are open; new ones are served."""
        self._do(self._reset_all)

    def cut_after(self, n_bytes: int) -> None:
        """Forward so many response bytes of each connection, of an open one counted from now, then RST it."""
        self._become(cut_after=n_bytes)
        self._do(lambda: [connection.count_anew() for connection in self._open])

    def drop_responses(self) -> None:
        """Pass requests on, discard their responses, and close the connection at the first byte of one."""
        self._become(drops_responses=True)

    def refuse(self) -> None:
        """Listen no more, and RST every connection; the port stays reserved."""
        self._become()
        self._run(self._stop_listening())
        self._do(self._reset_all)

    def heal(self) -> None:
        """Pass everything on again, without delay."""
        self.latency(0)
        self._become()
        self._run(self._listen())

    def __enter__(self) -> Self:
        self._thread.start()
        self._reserved = _bound(0)
        self.port = self._reserved.getsockname()[1]
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _become(self, *, resets: bool = False, cut_after: int | None = None, drops_responses: bool = False) -> None:
        def change() -> None:
            self._faults.resets = resets
            self._faults.cut_after = cut_after
            self._faults.drops_responses = drops_responses
            self._faults.passing.set()

        self._do(change)

    def _do(self, change: Callable[[], object]) -> None:
        async def apply() -> None:
            change()

        self._run(apply())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _reset_all(self) -> None:
        for connection in self._open:
            connection.reset()

    async def _listen(self) -> None:
        if self._reserved is not None:
            self._server = await asyncio.start_server(self._serve, sock=self._reserved, backlog=1024)
            self._reserved = None

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server, self._reserved = None, _bound(self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, self._faults, self._traffic)
        self._traffic.connections += 1
        self._open.add(connection)
        try:
            if self._faults.resets:
                connection.reset()
            else:
                await connection.serve(*self._target)
        except asyncio.CancelledError:
            pass  # the end of the test
        finally:
            self._open.discard(connection)

    async def _stop(self) -> None:
        await self._stop_listening()
        if self._reserved is not None:
            self._reserved.close()
        self._reset_all()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close in the next round


def _bound(port: int) -> socket.socket:
    """A socket that has the port but does not listen: who connects is refused, and nobody else takes it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock
