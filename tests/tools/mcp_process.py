"""The tests' MCP server as a process over loopback HTTP, to be killed and started again on its port."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

PROGRAM = str(Path(__file__).with_name("mcp_server.py"))


class HttpServer:
    """`start` and `kill` may follow each other; connections queue from the start on, so nobody waits for readiness."""

    def __init__(self, kind: str = "http") -> None:
        self._kind = kind
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with socket.create_server(("127.0.0.1", self.port)) as listener:
            number = listener.fileno()
            self._process = subprocess.Popen(
                [sys.executable, PROGRAM, self._kind, str(number)], pass_fds=[number], stdin=subprocess.DEVNULL
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
