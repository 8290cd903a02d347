"""HTTP for streamed calls, over the standard library's client. Chunks come once for each token, and httpx2's own
transport, whose HTTP/1.1 is written in Python, made two fifths of what reading one costs (ADR 9)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse

import httpx2

from app.llm.arrivals import READ_BYTES, Arrived, arrivals
from app.llm.call import Call
from app.llm.connections import Connection, Idle, connect
from app.llm.framing import framing

# The extension of a response in which its body is found.
BODY = "holdfast.body"
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
                headers = response.getheaders()
                body = Body(response, connection, self._served)
        except Exception:
            connection.close()
            raise
        return httpx2.Response(response.status, headers=headers, stream=body, extensions={BODY: body})

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


class Body(httpx2.SyncByteStream):
    """The body as it comes. Who closes it at its end leaves the connection to others, who closes it before ends it."""

    def __init__(self, response: HTTPResponse, connection: Connection, served: Callable[[Connection], None]) -> None:
        self._connection = connection
        self._served = served
        self._may_stay = not response.will_close
        self._framing = framing(response)
        self._early = _early(response, connection.sock)

    def __iter__(self) -> Iterator[bytes]:
        with _mapped(httpx2.ReadTimeout, httpx2.ReadError):
            yield self._framing.feed(self._early)
            while not self._framing.is_over:
                yield self._part(self._connection.sock.recv(READ_BYTES))

    def attend(self, is_over: Arrived) -> None:
        """Give it what comes, until it returns true or the body ends; see app/llm/arrivals.py. Raises what it raises,
        and httpx2.TransportError."""

        def arrived(data: bytes) -> bool:
            part = self._part(data)
            return (bool(part) and is_over(part)) or self._framing.is_over

        with _mapped(httpx2.ReadTimeout, httpx2.ReadError):
            is_read = arrived(self._early) if self._early else self._framing.is_over
            if not is_read:
                arrivals().attend(self._connection.sock, arrived)

    def close(self) -> None:
        if self._may_stay and self._is_read():
            self._served(self._connection)
        else:
            self._connection.close()

    def _part(self, data: bytes) -> bytes:
        if not data:
            self._framing.close()
        return self._framing.feed(data)

    def _is_read(self) -> bool:
        sock = self._connection.sock
        try:
            sock.settimeout(_REST_SECONDS)
            if not self._framing.is_over:
                self._part(sock.recv(READ_BYTES))
            sock.settimeout(None)
        except (OSError, httpx2.RemoteProtocolError):
            return False
        return self._framing.is_clean


def _early(response: HTTPResponse, sock: socket.socket) -> bytes:
    """What of the body has come with the head, and with TLS what is deciphered already: nobody hears of that again."""
    sock.settimeout(0)
    try:
        early: bytes = response.fp.peek()
        waiting = sock.pending() if isinstance(sock, ssl.SSLSocket) else 0
        return early + sock.recv(waiting) if waiting else early
    except ssl.SSLWantReadError:
        return b""
    finally:
        sock.settimeout(None)
        response.close()


def _asked(sock: socket.socket, request: httpx2.Request) -> HTTPResponse:
    # With a port it does not look for one in the host, which may be an IPv6 address.
    connection = HTTPConnection(request.url.host, request.url.port or 0)
    connection.sock = sock
    target = request.url.raw_path.decode("ascii")
    connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers.raw:
        connection.putheader(name, value)
    connection.endheaders(request.read())
    response = HTTPResponse(sock, method=request.method)  # `getresponse` closes the socket where no other is to follow
    try:
        response.begin()
    except Exception:
        response.close()
        raise
    return response


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
