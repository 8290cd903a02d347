"""One model call in flight: the watch that cuts it when it stays silent, and the knife."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.llm.errors import CallCut, ProviderSilent

SILENT = "silent"


class Call:
    """Handle of one call. The reading thread touches it at each content; any thread may cut it.

    Closing a stream or client does not wake a thread that is blocked reading from it, but shutting its socket down
    does, before and after the headers. So the sockets are attached here as soon as they are connected.
    """

    def __init__(self, first_token_seconds: float, between_tokens_seconds: float) -> None:
        self._between = between_tokens_seconds
        self._first = first_token_seconds
        self.silent_after = time.monotonic() + first_token_seconds
        self.has_content = False
        self.cut_reason: str | None = None
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()

    def attach(self, sock: socket.socket) -> None:
        """Make `sock` the one that `cut` shuts down; raises CallCut when the cut came first."""
        with self._lock:
            if self.cut_reason is None:
                self._sockets.append(sock)
                return
        _shut(sock)
        self.check()

    def release(self, sock: socket.socket) -> bool:
        """Let go of a socket that has served; False if a cut has shut it down."""
        with self._lock:
            if self.cut_reason is None:
                self._sockets.remove(sock)
            return self.cut_reason is None

    def touch(self) -> None:
        """Content arrived: start the next silence."""
        self.has_content = True
        self.silent_after = time.monotonic() + self._between

    def cut(self, reason: str) -> None:
        """End the call from any thread; the first reason stays."""
        with self._lock:
            self.cut_reason = self.cut_reason or reason
            sockets = list(self._sockets)
        for sock in sockets:
            _shut(sock)

    def check(self) -> None:
        """Raise what the cut means, if there was one: ProviderSilent for the watch, CallCut for everybody else."""
        if self.cut_reason == SILENT:
            seconds = self._between if self.has_content else self._first
            when = "in mid-reply" if self.has_content else "before its first word"
            raise ProviderSilent(f"The model sent nothing for {seconds:g} s {when}.")
        if self.cut_reason is not None:
            raise CallCut(self.cut_reason)


class Watch:
    """The calls of this process; one thread cuts those that have been silent too long."""

    def __init__(self, interval_seconds: float = 0.1) -> None:
        self._interval = interval_seconds
        self._calls: set[Call] = set()
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, call: Call) -> Iterator[Call]:
        """Watch `call` for the length of the block."""
        with self._lock:
            self._calls.add(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="call-watch", daemon=True)
                self._thread.start()
        self._arrived.set()
        try:
            yield call
        finally:
            with self._lock:
                self._calls.discard(call)

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            with self._lock:
                calls = list(self._calls)
                if not calls:
                    self._arrived.clear()
            now = time.monotonic()
            for call in calls:
                if now > call.silent_after:
                    call.cut(SILENT)
            time.sleep(self._interval)


def _shut(sock: socket.socket) -> None:
    # The base class's method: SSLSocket's own would drop the TLS state under the thread that is reading.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
