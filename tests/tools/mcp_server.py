"""An MCP server of the tests' own, a program: `stdio`, or `http` and the number of a listening socket."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

server = MCPServer("tests", log_level="CRITICAL")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool(annotations=ToolAnnotations(destructive_hint=True))
def erase(path: str) -> str:
    """Erase a file."""
    return f"erased {path}"


@server.tool()
def fail(reason: str) -> str:
    """Fail."""
    raise ToolError(reason)


@server.tool(structured_output=False)
def picture() -> list[object]:
    """Give a picture."""
    return ["A dot:", Image(data=b"\x89PNG" * 100, format="png")]


@server.tool()
def environment(name: str) -> str:
    """Tell a variable."""
    return os.environ.get(name, "not set")


@server.tool()
def header(name: str, context: Context) -> str:
    """Tell a header of the request."""
    request = context.request_context.request
    return str(request.headers.get(name)) if request else "no request"


@server.tool()
def process() -> int:
    """Tell the process."""
    return os.getpid()


@server.tool()
async def slow(seconds: float) -> str:
    """Take a while."""
    await asyncio.sleep(seconds)
    return "slept"


@server.tool()
async def hang() -> str:
    """Answer nothing and nobody any more."""
    time.sleep(600)
    return "never"


@server.tool()
async def die() -> str:
    """End the server in the middle of the call."""
    os._exit(1)


@server.tool()
def much() -> str:
    """Give more than anybody wants."""
    return "x" * 1_000_000


def main() -> None:
    if sys.argv[1] == "stdio":
        return server.run()
    listener = socket.socket(fileno=int(sys.argv[2]))
    config = uvicorn.Config(server.streamable_http_app(), log_level="critical")
    return uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
