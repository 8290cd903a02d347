"""An MCP server of the tests' own, a program: `stdio`, or `http` or `old` and the number of a listening socket."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
def much(characters: int) -> str:
    """Give more than anybody wants."""
    return "x" * characters


class Old:
    """The server as it was before 2026: it knows no discovery, so that clients open sessions."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        body = await Request(scope, receive).body()
        asked = json.loads(body)
        if asked.get("method") == "server/discover":
            error = {"code": -32601, "message": "Method not found"}
            return await JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "error": error})(scope, receive, send)
        told = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Message:
            return next(told, None) or await receive()

        return await self._app(scope, again, send)


def main() -> None:
    if sys.argv[1] == "stdio":
        return server.run()
    app = server.streamable_http_app()
    config = uvicorn.Config(Old(app) if sys.argv[1] == "old" else app, log_level="critical")
    return uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[2]))])


if __name__ == "__main__":
    main()
