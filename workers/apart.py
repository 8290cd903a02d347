"""Replies in processes of their own, a few at a time, started by a worker and ended with it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import UUID

import structlog

from workers.children import leashed

log = structlog.get_logger(__name__)


class Apart:
    """The children of one worker. A reply that is asked for again while it waits or runs is not started twice.

    Nothing is promised here: a reply that is dropped stays pending, and the reaper wakes some worker for it again.
    """

    def __init__(self, at_once: int) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="apart")
        self._known: set[UUID] = set()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._ended = False

    def start(self, job_id: UUID) -> None:
        """Write the reply in a process of its own as soon as there is a place for it; returns at once."""
        with self._lock:
            if self._ended or job_id in self._known:
                return
            self._known.add(job_id)
            self._pool.submit(self._run, job_id)

    def drain(self) -> None:
        """Tell the children to hand their replies over, and start no more."""
        with self._lock:
            self._ended = True
            for child in self._children:
                with suppress(ProcessLookupError):
                    child.terminate()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def wait(self, seconds: float) -> None:
        """Give the children that long to end by themselves: their leash kills what is left when this process ends."""
        until = time.monotonic() + seconds
        with self._lock:
            children = list(self._children)
        for child in children:
            with suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, until - time.monotonic()))

    def _run(self, job_id: UUID) -> None:
        try:
            child = self._spawn(job_id)
            if child is not None:
                code = child.wait()
                log.info("the process of one reply has ended", job_id=str(job_id), code=code)
                with self._lock:
                    self._children.discard(child)
        except OSError:
            log.exception("could not start a process for one reply", job_id=str(job_id))
        finally:
            with self._lock:
                self._known.discard(job_id)

    def _spawn(self, job_id: UUID) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._ended:
                return None
            child = subprocess.Popen(leashed(f"{sys.executable} -m workers.alone {job_id}"))
            self._children.add(child)
            return child
