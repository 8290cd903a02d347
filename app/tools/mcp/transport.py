"""The way to one MCP server, watched, so that its end is known before the next call."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TextIO

import httpx2
from mcp import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from app.tools.mcp.config import Server

# To read from and to write to; the client calls their types its own.
Streams = tuple[Any, Any]

# Of one answer over HTTP; the client lets go of the stream where it is longer.
MOST_BYTES = 8_000_000

_SESSION_HEADER = "mcp-session-id"
_CONNECT_SECONDS = 5.0
# A server may keep an answer's stream open and silent; each call has a limit of its own.
_SILENT_SECONDS = 900.0


@dataclass(slots=True)
class Fate:
    """What became of a session: `ended` when the server says no more, `forgotten` when it knows it no more."""

    ended: bool = False
    forgotten: bool = False


@asynccontextmanager
async def connected(server: Server, fate: Fate) -> AsyncIterator[Streams]:
    """The streams to and from `server`, whose end is noted in `fate`."""
    way = _over_http(server, fate) if server.url else _as_child(server)
    async with way as (read, write):
        yield _Watched(read, fate), write


@asynccontextmanager
async def _as_child(server: Server) -> AsyncIterator[Streams]:
    parameters = StdioServerParameters(command=server.command or "", args=list(server.args), env=dict(server.env))
    with _complaints() as errors:
        async with stdio_client(parameters, errlog=errors) as streams:
            yield streams


@asynccontextmanager
async def _over_http(server: Server, fate: Fate) -> AsyncIterator[Streams]:
    async def look(response: httpx2.Response) -> None:
        # By the protocol this, and nothing in the body, says that the session is unknown: the server was restarted.
        fate.forgotten |= response.status_code == 404 and _SESSION_HEADER in response.request.headers

    timeout = httpx2.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS)
    hooks = {"response": [look]}
    async with (
        httpx2.AsyncClient(headers=dict(server.headers), timeout=timeout, event_hooks=hooks) as client,
        streamable_http_client(str(server.url), http_client=client, max_sse_event_size=MOST_BYTES) as streams,
    ):
        yield streams


def _complaints() -> TextIO:
    """Where a child's standard error goes: to ours, which Celery may have replaced by something without a file."""
    try:
        return os.fdopen(os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2), "w")
    except OSError:
        return open(os.devnull, "w")


class _Watched:
    """A read stream that tells when it has ended."""

    def __init__(self, stream: Any, fate: Fate) -> None:
        self._stream = stream
        self._fate = fate

    @property
    def last_context(self) -> object:
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> Any:
        return await self._stream.receive()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except BaseException:
            self._fate.ended = True
            raise

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        swallowed: bool | None = await self._stream.__aexit__(kind, error, trace)
        return swallowed
