"""HTTP for streamed calls, over the standard library's client. Chunks come once for each token, and httpx2's own
transport, whose HTTP/1.1 is written in Python, made two fifths of what reading one costs (ADR 9)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse

import httpx2

from app.llm.call import Call
from app.llm.connections import Connection, Idle, connect

_READ_BYTES = 65_536
# After the last event only the end of the answer's framing is on its way, and has mostly come with it.
_REST_SECONDS = 0.02
_PORTS = {"http": 80, "https": 443}


class Transport(httpx2.BaseTransport):
    """A connection for each request of one call and for nobody else at the time, so that it can be cut.

    Its socket is the call's as soon as it is connected, before TLS and before the first byte.
    """

    def __init__(self, call: Call, tls: Callable[[], ssl.SSLContext], idle: Idle) -> None:
        self._call = call
        self._tls = tls
        self._idle = idle

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it and wait for the head of the answer; raises httpx2.TransportError, and what `Call.check` does."""
        self._call.check()
        with _mapped(httpx2.ConnectTimeout, httpx2.ConnectError):
            connection = self._connection(request.url)
        try:
            with _mapped(httpx2.ReadTimeout, httpx2.ReadError):
                response = _asked(connection.sock, request)
        except Exception:
            connection.close()
            raise
        body = _Body(response, connection, self._served)
        return httpx2.Response(response.status, headers=response.getheaders(), stream=body)

    def _connection(self, url: httpx2.URL) -> Connection:
        origin = (url.scheme, url.host, url.port or _PORTS[url.scheme])
        connection = self._idle.take(origin)
        if connection is None:
            return connect(origin, self._tls, self._call.attach)
        try:
            self._call.attach(connection.knife)
        except Exception:
            connection.close()
            raise
        return connection

    def _served(self, connection: Connection) -> None:
        if self._call.release(connection.knife):
            self._idle.keep(connection)
        else:
            connection.close()


class _Body(httpx2.SyncByteStream):
    """The body as it comes. Who closes it at its end leaves the connection to others, who closes it before ends it."""

    def __init__(self, response: HTTPResponse, connection: Connection, served: Callable[[Connection], None]) -> None:
        self._response = response
        self._connection = connection
        self._served = served

    def __iter__(self) -> Iterator[bytes]:
        with _mapped(httpx2.ReadTimeout, httpx2.ReadError):
            while part := self._response.read1(_READ_BYTES):
                yield part

    def close(self) -> None:
        connection, reusable = self._connection, not self._response.will_close and self._is_read()
        self._response.close()
        if reusable:
            self._served(connection)
        else:
            connection.close()

    def _is_read(self) -> bool:
        if self._response.isclosed():
            return True
        try:
            self._connection.sock.settimeout(_REST_SECONDS)
            self._response.read1(1)
            self._connection.sock.settimeout(None)
        except (OSError, HTTPException):
            return False
        return self._response.isclosed()


def _asked(sock: socket.socket, request: httpx2.Request) -> HTTPResponse:
    # With a port it does not look for one in the host, which may be an IPv6 address.
    connection = HTTPConnection(request.url.host, request.url.port or 0)
    connection.sock = sock
    target = request.url.raw_path.decode("ascii")
    connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers.raw:
        connection.putheader(name, value)
    connection.endheaders(request.read())
    return connection.getresponse()


@contextmanager
def _mapped(timeout: type[httpx2.TransportError], broken: type[httpx2.TransportError]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error
    except HTTPException as error:
        raise httpx2.RemoteProtocolError(type(error).__name__) from error
