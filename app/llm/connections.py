"""Connections to providers, kept open between calls: a new one costs a reply's first word two round trips, with TLS."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

CONNECT_SECONDS = 5.0
# Less than servers and what stands before them usually wait, so that they seldom close one just as it is taken.
_IDLE_SECONDS = 20.0
_MOST_IDLE = 32
# A path that is gone takes what is sent without a word; a new connection would notice within CONNECT_SECONDS.
_UNHEARD_MS = 10_000

Origin = tuple[str, str, int]
"""Scheme, host and port."""


@dataclass(slots=True)
class Connection:
    """One connection. To shut the knife down ends it under whoever reads from it."""

    origin: Origin
    sock: socket.socket
    knife: socket.socket
    idle_since: float = 0.0

    def close(self) -> None:
        """Let go of both."""
        self.sock.close()
        self.knife.close()

    def is_quiet(self) -> bool:
        """Whether the server has neither closed it nor sent what nobody asked for."""
        self.knife.settimeout(0)
        try:
            self.knife.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self.knife.settimeout(None)
        return False


def connect(origin: Origin, tls: Callable[[], ssl.SSLContext], attach: Callable[[socket.socket], None]) -> Connection:
    """A new connection, its knife given to `attach` before TLS and before the first byte. Raises OSError."""
    scheme, host, port = origin
    sock = socket.create_connection((host, port), CONNECT_SECONDS)
    # A duplicate, because TLS takes the descriptor over; shutting either down ends the connection of both.
    knife = sock.dup()
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNHEARD_MS)
        attach(knife)
        if scheme == "https":
            sock = tls().wrap_socket(sock, server_hostname=host)
        sock.settimeout(None)  # the Watch ends silent calls; a timer costs something for each token
    except Exception:
        sock.close()
        knife.close()
        raise
    return Connection(origin, sock, knife)


class Idle:
    """The connections of this process that wait for their next call. Any thread may take one."""

    def __init__(self, seconds: float = _IDLE_SECONDS, most: int = _MOST_IDLE) -> None:
        self._seconds = seconds
        self._most = most
        self._waiting: list[Connection] = []  # the one that has waited longest comes first
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def take(self, origin: Origin) -> Connection | None:
        """The one that was used last, if there is one that can still be used."""
        while (connection := self._taken(origin)) is not None:
            if connection.is_quiet():
                return connection
            connection.close()
        return None

    def keep(self, connection: Connection) -> None:
        """Keep it for the next call; the one that has waited longest goes where there are too many."""
        connection.idle_since = time.monotonic()
        with self._lock:
            self._waiting.append(connection)
            gone = self._waiting.pop(0) if len(self._waiting) > self._most else None
            self._look_later()
        if gone is not None:
            gone.close()

    def _taken(self, origin: Origin) -> Connection | None:
        with self._lock:
            for number in reversed(range(len(self._waiting))):
                if self._waiting[number].origin == origin:
                    return self._waiting.pop(number)
        return None

    def _look_later(self) -> None:
        if self._timer is None and self._waiting:
            seconds = self._waiting[0].idle_since + self._seconds - time.monotonic()
            self._timer = threading.Timer(max(0.0, seconds), self._look)
            self._timer.daemon = True
            self._timer.start()

    def _look(self) -> None:
        with self._lock:
            self._timer = None
            since = time.monotonic() - self._seconds
            old = [connection for connection in self._waiting if connection.idle_since <= since]
            del self._waiting[: len(old)]
            self._look_later()
        for connection in old:
            connection.close()
