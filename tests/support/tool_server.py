"""An MCP server that writes down each time one of its tools really runs: `tool_server.py FILE`, over stdio.

A program, and not part of any process of ours: what it wrote stands, whoever is killed. Each line says which call it
was by the token in its arguments; `flask check --tools FILE` reads them.
"""

from __future__ import annotations

import json
import os
import sys
import time

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("shop", log_level="CRITICAL")


def ran(name: str, token: str, *, idempotent: bool) -> None:
    """One line, in the file when this returns."""
    line = json.dumps({"token": token, "name": name, "idempotent": idempotent, "at": time.time()})
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{line}\n".encode())
    os.close(file)


@server.tool()
def pay(token: str, seconds: float = 0) -> str:
    """Pay, which takes some time. To pay twice is to pay twice as much."""
    ran("pay", token, idempotent=False)
    time.sleep(seconds)
    return f"paid {token}"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def look(token: str) -> str:
    """Look, as often as you like."""
    ran("look", token, idempotent=True)
    return f"seen {token}"


@server.tool()
def erase(token: str) -> str:
    """Erase; the tests' configuration wants approval for it."""
    ran("erase", token, idempotent=False)
    return f"erased {token}"


if __name__ == "__main__":
    server.run()
