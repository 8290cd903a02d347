"""One session with one MCP server, opened and closed by the same task, as its client asks."""

from __future__ import annotations

import asyncio

import structlog
from mcp import Client
from mcp.types import Implementation

from app.tools.mcp.config import Server
from app.tools.mcp.transport import Fate, connected

_CLIENT = Implementation(name="holdfast", version="1")
# The client itself gives a child 2 s to end and 2 s more before it kills it.
_CLOSING_SECONDS = 8.0

log = structlog.get_logger(__name__)


class Session:
    """A session that is being opened from the moment it is made."""

    def __init__(self, server: Server) -> None:
        self._closing = asyncio.Event()
        self._fate = Fate()
        self._opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._opened.add_done_callback(lambda opened: opened.cancelled() or opened.exception())
        self._owner = asyncio.create_task(self._own(server))

    @property
    def ended(self) -> bool:
        """Whether the server has gone or the session was closed."""
        return self._fate.ended or self._fate.forgotten or self._owner.done()

    @property
    def forgotten(self) -> bool:
        """Whether the server does not know it any more, and so ran nothing of what it was last asked."""
        return self._fate.forgotten

    async def client(self) -> Client:
        """The client, once it is connected. Raises whatever keeps it from that."""
        return await asyncio.shield(self._opened)

    async def close(self) -> None:
        """End it, and the server where it is a child."""
        self._closing.set()
        if not self._opened.done():
            self._owner.cancel()
        await asyncio.wait([self._owner], timeout=_CLOSING_SECONDS)

    async def _own(self, server: Server) -> None:
        try:
            async with Client(connected(server, self._fate), cache=None, client_info=_CLIENT) as client:
                self._opened.set_result(client)
                await self._closing.wait()
        except Exception as error:
            if self._opened.done():
                log.warning("mcp_session_broke", error=type(first(error)).__name__)
            else:
                self._opened.set_exception(first(error))
        finally:
            self._opened.cancel()


def first(error: BaseException) -> BaseException:
    """The error inside groups of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
