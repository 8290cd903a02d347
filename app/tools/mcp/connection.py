"""The way to one MCP server: its session opened by the first use, and again after the server died."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from mcp import Client, MCPError
from mcp.types import CONNECTION_CLOSED, CallToolResult
from mcp.types import Tool as ListedTool

from app.tools.errors import ToolFailed, ToolTimeout, ToolUnavailable
from app.tools.mcp.config import Server
from app.tools.mcp.session import Session

Result = TypeVar("Result")

LISTING_SECONDS = 30.0
# After a failure the server is left alone for so long, so that a dead one delays one reply and not each.
RETRY_SECONDS = 5.0
_CHECK_SECONDS = 5.0
_MOST_PAGES = 20


class Connection:
    """Everything here runs in the event loop's thread. Raises ToolError and nothing else."""

    def __init__(self, name: str, server: Server) -> None:
        self._name = name
        self._server = server
        self._lock = asyncio.Lock()
        self._session: Session | None = None
        self._failed: tuple[float, str] | None = None
        self._listing: tuple[float, list[ListedTool]] | None = None
        self._errands: set[asyncio.Task[None]] = set()

    async def tools(self) -> list[ListedTool]:
        """What the server offers, as it said at most LISTING_SECONDS ago. Raises ToolUnavailable."""
        now = asyncio.get_running_loop().time()
        if self._listing is None or self._listing[0] < now:
            seconds = self._server.timeout_seconds
            try:
                listing = await self._through(lambda client: asyncio.wait_for(_listed(client), seconds))
            except TimeoutError:
                self._drop(self._session)
                raise self._remembered(f"it listed no tools within {seconds:g} s") from None
            self._listing = (now + LISTING_SECONDS, listing)
        return self._listing[1]

    async def call(self, tool: str, arguments: Mapping[str, Any], seconds: float) -> CallToolResult:
        """Call `tool` within `seconds`. What may have reached the server is never sent a second time."""
        try:
            async with asyncio.timeout(seconds):
                return await self._through(lambda client: client.call_tool(tool, dict(arguments)))
        except TimeoutError:
            self._run(self._check())
            raise ToolTimeout(f"The MCP server '{self._name}' did not end {tool} within {seconds:g} s.") from None

    async def close(self) -> None:
        """End the session, and the server where it is a child; also those that are being ended already."""
        self._drop(self._session)
        if self._errands:
            await asyncio.wait(self._errands)

    async def _through(self, use: Callable[[Client], Awaitable[Result]]) -> Result:
        try:
            return await self._once(use)
        except _Forgotten:
            pass
        try:
            return await self._once(use)
        except _Forgotten:
            raise self._unavailable("it ends every session") from None

    async def _once(self, use: Callable[[Client], Awaitable[Result]]) -> Result:
        session = await self._current()
        try:
            return await use(await session.client())
        except MCPError as error:
            if session.forgotten:
                raise _Forgotten from None
            if error.code == CONNECTION_CLOSED:
                self._drop(session)
                raise self._unavailable(f"it went away in the middle ({error.message[:200]})") from None
            raise ToolFailed(f"The MCP server '{self._name}' refused: {error.message[:300]}") from None
        except (RuntimeError, ValueError) as error:  # its answer is not what it promised
            raise ToolFailed(f"The MCP server '{self._name}' answered wrongly: {str(error)[:300]}") from None

    async def _current(self) -> Session:
        async with self._lock:
            if self._session is not None and self._session.ended:
                self._drop(self._session)
            if self._session is None:
                self._session = await self._opened()
            return self._session

    async def _opened(self) -> Session:
        now = asyncio.get_running_loop().time()
        if self._failed is not None and now < self._failed[0]:
            raise self._unavailable(self._failed[1])
        session = Session(self._server)
        try:
            async with asyncio.timeout(self._server.timeout_seconds):
                await session.client()
        except BaseException as error:
            self._run(session.close())
            if isinstance(error, asyncio.CancelledError):
                raise
            raise self._remembered(_reason(error, self._server)) from None
        self._failed = None
        return session

    async def _check(self) -> None:
        """After a call that took too long: drop the session if the server does not answer anything else either."""
        session = self._session
        if session is None:
            return
        try:
            async with asyncio.timeout(min(_CHECK_SECONDS, self._server.timeout_seconds)):
                await (await session.client()).list_tools()
        except (TimeoutError, MCPError):
            self._drop(session)

    def _drop(self, session: Session | None) -> None:
        """Close `session`, unless another call has put a new one in its place."""
        if session is not None and session is self._session:
            self._session, self._listing = None, None
            self._run(session.close())

    def _run(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def _remembered(self, reason: str) -> ToolUnavailable:
        self._failed = (asyncio.get_running_loop().time() + RETRY_SECONDS, reason)
        return self._unavailable(reason)

    def _unavailable(self, reason: str) -> ToolUnavailable:
        return ToolUnavailable(f"The MCP server '{self._name}' does not answer: {reason}.")


class _Forgotten(Exception):
    """The server does not know the session any more."""


async def _listed(client: Client) -> list[ListedTool]:
    page = await client.list_tools()
    tools = list(page.tools)
    for _ in range(_MOST_PAGES):
        if page.next_cursor is None:
            break
        page = await client.list_tools(cursor=page.next_cursor)
        tools += page.tools
    return tools


def _reason(error: BaseException, server: Server) -> str:
    if isinstance(error, TimeoutError):
        return f"it gave no sign within {server.timeout_seconds:g} s"
    if isinstance(error, OSError) and server.command:
        return f"its command cannot be started ({error.strerror})"
    if isinstance(error, MCPError):
        return f"it refused the session ({error.message[:200]})"
    return "it cannot be reached"
