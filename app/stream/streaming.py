"""The answer that is an open event stream, and leaves its request where the server lets it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Response, current_app, stream_with_context
from werkzeug.http import http_date

from app.stream import sse, takeover
from app.stream.outlets import Body, Outlets
from app.stream.steps import Following

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_TO_THE_CLOSE = Body(sse.line, b"")
_CHUNKED = Body(lambda event: takeover.chunk(sse.line(event)), takeover.LAST_CHUNK)


class Stream(Response):
    """An open stream. Its request ends where the server lets us have the connection."""

    def __init__(self, following: Following) -> None:
        super().__init__(mimetype="text/event-stream", headers=sse.HEADERS)
        self._following = following

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Go on in an outlet, or within the request, which then lasts as long."""
        connection = _connection(environ)
        if connection is None:
            self.response = stream_with_context(sse.frames(self._following))
            return super().__call__(environ, start_response)
        headers = [*self.headers, ("Date", http_date()), ("Connection", "close")]
        body, retry = _TO_THE_CLOSE, sse.RETRY
        if environ["SERVER_PROTOCOL"] != "HTTP/1.0":  # which nginx speaks unless it is told otherwise
            headers.append(("Transfer-Encoding", "chunked"))
            body, retry = _CHUNKED, takeover.chunk(sse.RETRY)
        outlets: Outlets = current_app.extensions["outlets"]
        outlets.open(connection, takeover.head("200 OK", headers) + retry, self._following.steps, body)
        raise takeover.left(environ)


def _connection(environ: WSGIEnvironment) -> int | None:
    """A descriptor of the request's connection, where it carries nothing but this answer as HTTP/1 in the clear."""
    sock = environ.get("gunicorn.socket")
    if sock is None or isinstance(sock, ssl.SSLSocket):
        return None
    if environ["SERVER_PROTOCOL"] not in {"HTTP/1.0", "HTTP/1.1"} or environ["REQUEST_METHOD"] != "GET":
        return None
    connection = os.dup(sock.fileno())
    os.set_blocking(connection, False)
    return connection
