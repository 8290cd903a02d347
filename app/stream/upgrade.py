"""The handshake that makes a request a WebSocket, on servers that show their socket: gunicorn and werkzeug."""

from __future__ import annotations

import socket
from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Response, request
from werkzeug.exceptions import BadRequest, HTTPException
from wsproto.utilities import generate_accept_token

from app.stream import takeover

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_VERSION = "13"
_KEY_BYTES = 16
_BODY_HEADERS = frozenset({"content-type", "content-length"})


class UpgradeRequired(HTTPException):
    """The request asks for no WebSocket, or for a version of it that nobody here speaks."""

    code = 426
    description = "This address speaks WebSocket, version 13, only."

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        """With what would be understood."""
        wanted = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", _VERSION)]
        return [*super().get_headers(*args, **kwargs), *wanted]


class Switching(Response):
    """101, after which the connection is a WebSocket until `serve` returns; made for the present request.

    Hooks of the request see it before, and `serve` runs in its context. Raises HTTPException (400, 426) for a request
    that is no opening handshake.
    """

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        super().__init__(status=101)
        self.headers["Sec-WebSocket-Accept"] = generate_accept_token(_key()).decode()
        self.headers["Upgrade"], self.headers["Connection"] = "websocket", "Upgrade"
        self._serve = serve

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve, then tell the server that there is nothing left to answer or to read."""
        sock = takeover.socket_of(environ)
        assert sock is not None
        kept = [(name, value) for name, value in self.headers if name.lower() not in _BODY_HEADERS]
        sock.sendall(takeover.head("101 Switching Protocols", kept))
        self._serve(sock)
        raise takeover.left(environ)


def _key() -> bytes:
    """The request's Sec-WebSocket-Key, if all else is as it must be, too."""
    headers = request.headers
    upgrades = "websocket" in _tokens("Upgrade") and "upgrade" in _tokens("Connection") and request.method == "GET"
    if not upgrades or headers.get("Sec-WebSocket-Version") != _VERSION or takeover.socket_of(request.environ) is None:
        raise UpgradeRequired
    key = headers.get("Sec-WebSocket-Key", "")
    try:
        is_whole = len(b64decode(key, validate=True)) == _KEY_BYTES
    except ValueError:
        is_whole = False
    if not is_whole:
        raise BadRequest(f"Sec-WebSocket-Key must be {_KEY_BYTES} bytes in base64.")
    return key.encode("ascii")


def _tokens(name: str) -> set[str]:
    return {token.strip().lower() for token in request.headers.get(name, "").split(",")}
