"""A real web server on loopback that answers what a test told it to, byte for byte."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

Answer = Callable[[socket.socket], None]


class Site:
    """`at(path, bytes)` sets an answer; `requests` are the heads that came in, oldest first."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[str] = []
        self._answers: dict[str, bytes | Answer] = {}
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.authority = f"127.0.0.1:{self.port}"
        self.allowed = frozenset({self.authority})
        self.released = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._listener.close()

    def url(self, path: str = "/") -> str:
        return f"http://{self.authority}{path}"

    def at(self, path: str, answer: bytes | Answer) -> str:
        """Answer `path` with these bytes, or let a function write to the socket. Gives the address."""
        self._answers[path] = answer
        return self.url(path)

    def page(self, path: str, body: bytes | str, content_type: str = "text/html; charset=utf-8", **headers: str) -> str:
        """Answer `path` with 200 and this body."""
        raw = body.encode() if isinstance(body, str) else body
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(raw)}\r\n{more}\r\n"
        return self.at(path, head.encode() + raw)

    def redirect(self, path: str, location: str, status: int = 302) -> str:
        """Answer `path` with a redirect."""
        return self.at(path, f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as stream:
                head = _head(stream)
                self.requests.append(head)
                answer = self._answers.get(head.split(" ")[1], b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                stream.sendall(answer) if isinstance(answer, bytes) else answer(stream)
        except OSError:
            return


def _head(stream: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = stream.recv(4096)
        if not piece:
            raise ConnectionError("the client went away")
        head += piece
    return head.decode("latin-1")
