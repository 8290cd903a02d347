"""The MCP servers of a process, for threads: their tools, and the end of their sessions."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from mcp.types import CallToolResult
from mcp.types import Tool as ListedTool

from app.tools.context import ToolContext
from app.tools.errors import ToolError
from app.tools.mcp.config import Server
from app.tools.mcp.connection import Connection
from app.tools.mcp.loop import Loop
from app.tools.mcp.translation import Unusable, name_of, server_in, tool_of
from app.tools.registry import is_allowed
from app.tools.tool import Arguments, Tool

_CLOSING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Listing:
    """The tools that are allowed and there, by name; of what is allowed and not there, why."""

    tools: Mapping[str, Tool]
    missing: Mapping[str, str]


class Servers:
    """Nothing is connected or started before it is first asked for; what was, ends with the process."""

    def __init__(self, servers: Mapping[str, Server]) -> None:
        self._servers = servers
        self._loop = Loop()
        self._connections = self._unconnected()
        atexit.register(self.close)

    def listing(self, allowed: Sequence[str] | None) -> Listing:
        """The tools that `allowed` names (`server__tool`, `server__*`), from just the servers it names, all at once.

        A silent server costs its `timeout_seconds`, and then nothing for a few seconds. Raises nothing.
        """
        wanted = [entry for entry in allowed or () if server_in(entry)]
        tools: dict[str, Tool] = {}
        missing: dict[str, str] = {}
        for name, answer in self._answers(dict.fromkeys(map(server_in, wanted))).items():
            if isinstance(answer, str):
                missing |= {entry: answer for entry in wanted if server_in(entry) == name}
                continue
            for listed in answer:
                if is_allowed(name_of(name, listed.name), wanted):
                    self._take(name, listed, tools, missing)
        return Listing(tools, missing)

    def close(self) -> None:
        """End every session and every child. A later use opens them again."""
        connections, self._connections = self._connections, self._unconnected()
        if self._loop.is_running:
            self._loop.run(_closed(connections.values()), _CLOSING_SECONDS)
            self._loop.stop()

    def _unconnected(self) -> dict[str, Connection]:
        return {name: Connection(name, server) for name, server in self._servers.items()}

    def _answers(self, names: Iterable[str]) -> Mapping[str, list[ListedTool] | str]:
        """What each server offers, or why it does not."""
        known = {name: self._connections[name] for name in names if name in self._servers}
        unknown = {name: f"no MCP server is called '{name}'" for name in names if name not in self._servers}
        if not known:
            return unknown
        longest = 2 * max(self._servers[name].timeout_seconds for name in known)  # to connect, and to list
        try:
            answers = self._loop.run(_listed(known.values()), longest)
        except ToolError as error:
            answers = [str(error)] * len(known)
        return unknown | dict(zip(known, answers, strict=True))

    def _take(self, server: str, listed: ListedTool, tools: dict[str, Tool], missing: dict[str, str]) -> None:
        try:
            tool = tool_of(server, self._servers[server], listed, partial(self._call, server, listed.name))
        except Unusable as reason:
            missing[name_of(server, listed.name)] = str(reason)
        else:
            tools[tool.name] = tool

    def _call(self, server: str, tool: str, arguments: Arguments, context: ToolContext) -> CallToolResult:
        seconds = min(self._servers[server].timeout_seconds, context.seconds_left)
        work = self._connections[server].call(tool, arguments, seconds)
        return self._loop.run(work, seconds, context.cancelled)


async def _listed(connections: Iterable[Connection]) -> list[list[ListedTool] | str]:
    return list(await asyncio.gather(*(_tools(connection) for connection in connections)))


async def _tools(connection: Connection) -> list[ListedTool] | str:
    try:
        return await connection.tools()
    except ToolError as error:
        return str(error)


async def _closed(connections: Iterable[Connection]) -> None:
    await asyncio.gather(*(connection.close() for connection in connections))
