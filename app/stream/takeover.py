"""Taking a request's connection over from the server that accepted it. No standard says how; gunicorn and werkzeug
show its socket, and each has a word for leaving it alone."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LAST_CHUNK = b"0\r\n\r\n"


def socket_of(environ: WSGIEnvironment) -> socket.socket | None:
    """The connection's socket, where the server shows it."""
    found: socket.socket | None = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    return found


def head(status: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """The beginning of an answer that the server does not send for us."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1")


def chunk(data: bytes) -> bytes:
    """A part of a body whose length is not known before its end."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def left(environ: WSGIEnvironment) -> Exception:
    """What to raise within the server's call: nothing is left for it to answer or to read."""
    if "gunicorn.socket" in environ:
        return StopIteration()
    return ConnectionAbortedError("the connection was taken over")  # what werkzeug takes for the client's leaving
