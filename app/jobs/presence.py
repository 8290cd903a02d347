"""A worker process's presence: its lease, the thread that renews it, and the runs that depend on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app.config import Settings
from app.database import glance, transaction
from app.jobs import lease, lifecycle
from app.jobs.claim import Claim
from app.jobs.process import ProcessId
from app.jobs.run import Run, Stop
from app.models import Job, Status

_LAST_BEAT_SECONDS = 1.0
# Of a lease; the rest is for what was sent at the last moment to arrive.
_SAFE_SHARE = 0.9

log = structlog.get_logger(__name__)


class Presence:
    """Everything that lets this process own jobs. One heartbeat thread serves all of them.

    `holds` is checked before anything is emitted: it is false as soon as the lease may have lapsed, by this
    process's monotonic clock counted from before the renewal was sent, so a frozen or cut-off process stays silent.
    """

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._process = ProcessId.of_this()
        self._runs: dict[tuple[UUID, int], Run] = {}
        self._unattended: set[tuple[UUID, int]] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._safe_until = 0.0
        self.lease_id: UUID | None = None
        self.draining = False

    def start(self) -> None:
        """Take a lease, free what a dead predecessor on this machine held, and keep renewing."""
        with self._app.app_context():
            lease.lapse_the_dead()
            self._take()
        self._heart.start()

    def holds(self, lease_id: UUID) -> bool:
        """Whether this is the process's lease and certainly has not lapsed. A new lease revives nothing of an old."""
        return time.monotonic() < self._safe_until and lease_id == self.lease_id  # in this order: see _take

    @contextmanager
    def running(self, claim: Claim) -> Iterator[Run]:
        """Register the work on `claim` for the length of the block."""
        run, key = Run(claim), (claim.job_id, claim.attempt)
        with self._lock:
            self._runs[key] = run
        if self.draining:
            run.stop(Stop.HANDED_OVER)
        if claim.lease_id != self.lease_id:
            run.stop(Stop.LOST)
        try:
            yield run
        finally:
            with self._lock:
                del self._runs[key]

    def cancel(self, job_id: UUID) -> None:
        """Stop the run of `job_id` if it is here; the row says so already."""
        for run in self._all():
            if run.claim.job_id == job_id:
                run.stop(Stop.CANCELLED)

    def drain(self) -> None:
        """Hand every run over and take no more: the process is about to end."""
        self.draining = True
        for run in self._all():
            run.stop(Stop.HANDED_OVER)

    def leave(self) -> None:
        """Give the lease back; called last."""
        self._ended.set()
        self._heart.join(_LAST_BEAT_SECONDS)  # a beat under way could take a new lease
        with self._app.app_context():
            if self.lease_id is not None:
                lease.give_back(self.lease_id)

    def _all(self) -> list[Run]:
        with self._lock:
            return list(self._runs.values())

    def _take(self) -> None:
        asked = time.monotonic()
        # First the name, then the time: in between nothing holds.
        self.lease_id = lease.take(self._process, self._settings.lease_seconds)
        self._safe_until = asked + _SAFE_SHARE * self._settings.lease_seconds

    def _beat(self) -> None:
        with self._app.app_context():
            while not self._ended.wait(self._settings.heartbeat_seconds):
                try:
                    self._renew()
                    self._compare_with_rows()
                except SQLAlchemyError as error:
                    log.warning("heartbeat failed", error=type(error).__name__)
                except Exception:
                    # Without this thread the process could own nothing any more.
                    log.exception("heartbeat failed")
                self._stop_late()

    def _renew(self) -> None:
        asked, lease_id = time.monotonic(), self.lease_id
        assert lease_id is not None
        renewed = lease.renew(lease_id, self._settings.lease_seconds)
        if renewed and time.monotonic() < self._safe_until:
            self._safe_until = asked + _SAFE_SHARE * self._settings.lease_seconds
            return
        log.warning("lease lapsed; its jobs belong to others now", jobs=len(self._runs))
        for run in self._all():
            run.stop(Stop.LOST)
        if renewed:  # PostgreSQL dates a statement by its beginning, before it waited for a lock: it came too late
            lease.give_back(lease_id)
        self._take()

    def _compare_with_rows(self) -> None:
        """Stop what its row wants cancelled, the durable way; let go of what this lease holds but no run works on."""
        lease_id, held = self.lease_id, set()
        assert lease_id is not None
        mine = select(Job.id, Job.attempt, Job.cancel_requested_at).where(
            Job.lease_id == lease_id, Job.status == Status.PROCESSING
        )
        with glance() as connection:
            for row in connection.execute(mine):
                held.add((row.id, row.attempt))
                if row.cancel_requested_at is not None:
                    self.cancel(row.id)
        with self._lock:  # after the rows were read: a run leaves only when its row is settled
            attended = set(self._runs)
        self._let_go(held - attended, lease_id)

    def _let_go(self, unattended: set[tuple[UUID, int]], lease_id: UUID) -> None:
        """A claim whose commit failed although it took place, a run that ended without a word: seen twice, it is one;
        seen once, it may have begun just now."""
        for job_id, attempt in unattended & self._unattended:
            log.warning("nobody works on a job of this process; the reaper recovers it", job_id=str(job_id))
            with transaction() as session:
                lifecycle.let_go(session, job_id, attempt, lease_id)
        self._unattended = unattended

    def _stop_late(self) -> None:
        now = time.monotonic()
        for run in self._all():
            if now >= run.deadline:
                run.stop(Stop.DEADLINE)
            if not self.holds(run.claim.lease_id):
                run.stop(Stop.LOST)
