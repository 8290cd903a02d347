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
from app.database import reading
from app.jobs import lease
from app.jobs.claim import Claim
from app.jobs.process import ProcessId
from app.jobs.run import Run, Stop
from app.models import Job

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
        self._runs: dict[UUID, Run] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._safe_until = 0.0
        self.lease_id: UUID | None = None
        self.draining = False

    def start(self) -> None:
        """Take a lease, free what a dead predecessor on this machine held, and keep renewing."""
        with self._app.app_context():
            lease.lapse_the_dead()
            self._take()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def holds(self) -> bool:
        """Whether this process's lease certainly still holds."""
        return time.monotonic() < self._safe_until

    @contextmanager
    def running(self, claim: Claim) -> Iterator[Run]:
        """Register the work on `claim` for the length of the block."""
        run = Run(claim)
        with self._lock:
            self._runs[claim.job_id] = run
        if self.draining:
            run.stop(Stop.HANDED_OVER)
        if claim.lease_id != self.lease_id:
            run.stop(Stop.LOST)
        try:
            yield run
        finally:
            with self._lock:
                self._runs.pop(claim.job_id, None)

    def cancel(self, job_id: UUID) -> None:
        """Stop the run of `job_id` if it is here; the row says so already."""
        run = self._runs.get(job_id)
        if run is not None:
            run.stop(Stop.CANCELLED)

    def drain(self) -> None:
        """Hand every run over and take no more: the process is about to end."""
        self.draining = True
        for run in self._all():
            run.stop(Stop.HANDED_OVER)

    def leave(self) -> None:
        """Give the lease back; called last."""
        self._ended.set()
        with self._app.app_context():
            if self.lease_id is not None:
                lease.give_back(self.lease_id)

    def _all(self) -> list[Run]:
        with self._lock:
            return list(self._runs.values())

    def _take(self) -> None:
        asked = time.monotonic()
        self.lease_id = lease.take(self._process, self._settings.lease_seconds)
        self._safe_until = asked + self._settings.lease_seconds

    def _beat(self) -> None:
        with self._app.app_context():
            while not self._ended.wait(self._settings.heartbeat_seconds):
                try:
                    self._renew()
                    self._stop_cancelled()
                except SQLAlchemyError as error:
                    log.warning("heartbeat failed", error=type(error).__name__)
                self._stop_late()

    def _renew(self) -> None:
        asked = time.monotonic()
        if self.lease_id is not None and lease.renew(self.lease_id, self._settings.lease_seconds):
            self._safe_until = asked + self._settings.lease_seconds
            return
        log.warning("lease lapsed; its jobs belong to others now", jobs=len(self._runs))
        for run in self._all():
            run.stop(Stop.LOST)
        self._take()

    def _stop_cancelled(self) -> None:
        """The durable way a cancel reaches a run; the signal over Redis is only faster."""
        running = list(self._runs)
        if not running:
            return
        with reading() as session:
            cancelled = session.scalars(
                select(Job.id).where(Job.id.in_(running), Job.cancel_requested_at.is_not(None))
            ).all()
        for job_id in cancelled:
            self.cancel(job_id)

    def _stop_late(self) -> None:
        now = time.monotonic()
        for run in self._all():
            if now >= run.deadline:
                run.stop(Stop.DEADLINE)
            if not self.holds():
                run.stop(Stop.LOST)
