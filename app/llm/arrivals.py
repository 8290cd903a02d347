"""What providers send, read in one thread for all calls of a process; who made a call sleeps until its answer is over.

To wake a greenlet for each token costs more than the token: its stack is copied back, and nothing it needs is in the
processor's cache any more (ADR 9).
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from queue import SimpleQueue
from typing import Any

from gevent.monkey import get_original

from app import tick

# More than a TLS record, so that none stays behind in its socket, where nobody would hear of it.
READ_BYTES = 65_536
_NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Arrived = Callable[[bytes], bool]
"""Takes what has come, or nothing where the other side has closed; true once no more is wanted. It must not wait."""


@dataclass(frozen=True, slots=True)
class _Reading:
    sock: socket.socket
    arrived: Arrived
    outcome: SimpleQueue[Exception | None] = field(default_factory=SimpleQueue)


class Arrivals:
    """The sockets of this process from which something is awaited.

    Something that comes to an idle process is read at once; after that there are `pause_seconds` from look to look, and
    what comes meanwhile is read together.
    """

    def __init__(self, pause_seconds: float = 0.003) -> None:
        self.pause_seconds = pause_seconds
        self._readings: dict[int, _Reading] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def attend(self, sock: socket.socket, arrived: Arrived) -> None:
        """Return once `arrived` wants no more. Raises what it raises, and OSError."""
        reading = _Reading(sock, arrived)
        sock.settimeout(0)
        self._begin(reading)
        try:
            outcome = reading.outcome.get()
        finally:
            self._leave(reading)
            sock.settimeout(None)
        if outcome is not None:
            raise outcome

    @cached_property
    def _epoll(self) -> Any:
        """The kernel's own, which gevent hides: a look that does not wait, and nothing to do between two looks. Only
        Linux has it, so it is made for the first who attends."""
        return get_original("select", "epoll")()

    def _begin(self, reading: _Reading) -> None:
        with self._lock:
            number = reading.sock.fileno()
            self._readings[number] = reading
            self._epoll.register(number, select.POLLIN)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="arrivals", daemon=True)
                self._thread.start()

    def _leave(self, reading: _Reading) -> None:
        with self._lock:
            if self._readings.pop(reading.sock.fileno(), None) is not None:
                self._epoll.unregister(reading.sock.fileno())

    def _run(self) -> None:
        idle = select.poll()
        idle.register(self._epoll, select.POLLIN)
        while True:
            ready = self._epoll.poll(0)
            for number, _ in ready:
                if (reading := self._readings.get(number)) is not None:
                    self._read(reading)
            if ready:
                tick.wait(self.pause_seconds)
            else:
                idle.poll()

    def _read(self, reading: _Reading) -> None:
        outcome: Exception | None = None
        try:
            if not reading.arrived(reading.sock.recv(READ_BYTES)):
                return
        except _NOTHING_YET:
            return
        except Exception as error:
            outcome = error  # is raised where the call was made
        self._leave(reading)
        reading.outcome.put(outcome)


@cache
def arrivals() -> Arrivals:
    """Those of this process."""
    return Arrivals()
