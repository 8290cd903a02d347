"""One claimed job being worked on in this process, and the ways it can be told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum

from app.jobs.claim import Claim


class Stop(StrEnum):
    """Why a run shall stop before its work is done."""

    CANCELLED = "cancelled"
    HANDED_OVER = "handed over"
    DEADLINE = "deadline exceeded"
    LOST = "lease lost"


class Stopped(Exception):
    """The run was told to stop; `why` says what to do about it."""

    def __init__(self, why: Stop) -> None:
        super().__init__(why.value)
        self.why = why


class Run:
    """The work on one claim. Its own thread checks it; other threads stop it, which also wakes a blocked read."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self._began = time.monotonic()
        self.deadline = self._began + claim.seconds_left
        self.why: Stop | None = None
        self._told = threading.Event()
        self._on_stop: Callable[[str], None] | None = None
        self._lock = threading.Lock()

    def stop(self, why: Stop) -> None:
        """Tell the run to stop; the first reason stays, except that a lost lease overrules all others."""
        with self._lock:
            if self.why is None or why is Stop.LOST:
                self.why = why
            on_stop = self._on_stop
        self._told.set()
        if on_stop is not None:
            on_stop(why.value)

    def on_stop(self, action: Callable[[str], None] | None) -> None:
        """Call `action` with the reason when the run is stopped, at once if it already is."""
        with self._lock:
            self._on_stop = action
            why = self.why
        if action is not None and why is not None:
            action(why.value)

    def seconds_left(self) -> float:
        """Until the job's deadline."""
        return max(0.0, self.deadline - time.monotonic())

    def moment(self) -> datetime:
        """Now, by the database's clock as it was read with the claim."""
        return self.claim.claimed_at + timedelta(seconds=time.monotonic() - self._began)

    def check(self) -> None:
        """Raise Stopped when the run shall stop."""
        if self.why is not None:
            raise Stopped(self.why)

    def sleep(self, seconds: float) -> None:
        """Wait, but not after being told to stop. Raises Stopped."""
        self._told.wait(seconds)
        self.check()
