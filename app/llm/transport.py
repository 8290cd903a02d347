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

CONNECT_SECONDS = 5.0
_READ_BYTES = 65_536
_PORTS = {"http": 80, "https": 443}


class Transport(httpx2.BaseTransport):
    """A connection of its own for each request of one call, which can so be cut without ending anybody else's stream.

    Its socket is the call's as soon as it is connected, before TLS and before the first byte.
    """

    def __init__(self, call: Call, tls: Callable[[], ssl.SSLContext]) -> None:
        self._call = call
        self._tls = tls
        self._duplicates: list[socket.socket] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it and wait for the head of the answer; raises httpx2.TransportError, and what `Call.check` does."""
        self._call.check()
        with _mapped(httpx2.ConnectTimeout, httpx2.ConnectError):
            sock = self._connected(request.url)
        try:
            with _mapped(httpx2.ReadTimeout, httpx2.ReadError):
                response = _asked(sock, request)
        except Exception:
            sock.close()
            raise
        return httpx2.Response(response.status, headers=response.getheaders(), stream=_Body(sock, response))

    def close(self) -> None:
        """Let go of what cuts the connections."""
        while self._duplicates:
            self._duplicates.pop().close()

    def _connected(self, url: httpx2.URL) -> socket.socket:
        sock = socket.create_connection((url.host, url.port or _PORTS[url.scheme]), CONNECT_SECONDS)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A duplicate, because TLS takes the descriptor over; shutting either down ends the connection of both.
            self._duplicates.append(sock.dup())
            self._call.attach(self._duplicates[-1])
            if url.scheme == "https":
                sock = self._tls().wrap_socket(sock, server_hostname=url.host)
            sock.settimeout(None)  # the Watch ends silent calls; a timer costs something for each token
        except Exception:
            sock.close()
            raise
        return sock


class _Body(httpx2.SyncByteStream):
    """The body as it comes; who closes it ends the connection."""

    def __init__(self, sock: socket.socket, response: HTTPResponse) -> None:
        self._sock = sock
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _mapped(httpx2.ReadTimeout, httpx2.ReadError):
            while part := self._response.read1(_READ_BYTES):
                yield part

    def close(self) -> None:
        self._response.close()
        self._sock.close()


def _asked(sock: socket.socket, request: httpx2.Request) -> HTTPResponse:
    # With a port it does not look for one in the host, which may be an IPv6 address.
    connection = HTTPConnection(request.url.host, request.url.port or 0)
    connection.sock = sock
    target = request.url.raw_path.decode("ascii")
    connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers.multi_items():
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
