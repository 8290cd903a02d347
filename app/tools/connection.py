"""Connections that go only to addresses which were checked, and end at a deadline."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import httpcore2
import httpx2

from app.tools.errors import ToolTimeout

_CONNECT_SECONDS = 5.0


class Deadline:
    """A moment on the monotonic clock by which everything must be over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then. Raises ToolTimeout once it is past."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise ToolTimeout(f"The page did not arrive within {self._seconds:g} s.")
        return left


class CheckedNetwork(httpcore2.NetworkBackend):
    """Connects to the given addresses, whatever the host is called; the name only goes into TLS and the Host header."""

    def __init__(self, addresses: Sequence[str], deadline: Deadline) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._system = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        *others, last = self._addresses
        for address in others:
            try:
                return self._connected(address, port)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return self._connected(last, port)

    def _connected(self, address: str, port: int) -> httpcore2.NetworkStream:
        seconds = min(_CONNECT_SECONDS, self._deadline.left())
        return _Timed(self._system.connect_tcp(address, port, timeout=seconds), self._deadline)


class _Timed(httpcore2.NetworkStream):
    """A stream each of whose operations ends at the deadline, so that a drip of bytes cannot stretch it."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, self._deadline.left()), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


@cache
def tls() -> ssl.SSLContext:
    """What verifies servers, one for the process: reading the certificates takes 10 to 20 ms."""
    return httpx2.create_ssl_context()
