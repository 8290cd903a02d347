"""The reaper: finds what lapsed, was lost or is due, in a thread of every worker; needs no broker and no slot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog
from flask import Flask
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from app import failpoints
from app.clock import now
from app.config import Settings
from app.database import glance, transaction
from app.jobs import lease, lifecycle, queue, statements
from app.jobs.transitions import UNOWNED
from app.models import Job, Status

BATCH = 200
_ANNOUNCE_AFTER_SECONDS = 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A job that must end without a worker, and why: "crashed", "cancelled", "deadline" or "expired"."""

    job_id: UUID
    attempt: int
    why: str
    orphaned: bool


class Reaper:
    """One pass about every second. What a reply's end looks like is passed in: `end` ends an abandoned job,
    `announce` sends the last event of one that ended without; False means that Redis is away."""

    def __init__(
        self, app: Flask, settings: Settings, end: Callable[[Abandoned], None], announce: Callable[[UUID], bool]
    ) -> None:
        self._app = app
        self._settings = settings
        self._end = end
        self._announce = announce
        self._stopped = threading.Event()

    def start(self) -> None:
        """Run until `stop`, in a thread of its own."""
        threading.Thread(target=self._loop, name="reaper", daemon=True).start()

    def stop(self) -> None:
        """Make no further pass."""
        self._stopped.set()

    def pass_once(self) -> None:
        """Recover, end, wake, announce and publish what is due now. Passes of several processes may overlap."""
        lease.lapse_the_dead()
        for abandoned in self._abandoned():
            self._each(abandoned.job_id, partial(self._end, abandoned))
        recoverable = and_(statements.ORPHANED, Job.crashes + 1 < self._settings.max_crashes)
        for job_id, attempt in self._pairs(recoverable):
            self._each(job_id, partial(_recover, job_id, attempt))
        for job_id, _ in self._pairs(and_(Job.status == Status.WAITING, Job.wake_at <= now())):
            self._each(job_id, partial(_wake, job_id))
        unannounced = and_(Job.announced_at.is_(None), Job.finished_at < now(-_ANNOUNCE_AFTER_SECONDS))
        for job_id, _ in self._pairs(unannounced):
            if self._each(job_id, partial(self._announce, job_id)) is False:
                break  # each further one would wait for Redis as long
        queue.publish_ready()

    def _each(self, job_id: UUID, action: Callable[[], object]) -> object:
        """One bad row must not keep the pass from all rows after it."""
        try:
            return action()
        except OperationalError:
            raise  # the database itself: the next pass starts anew
        except Exception:
            log.exception("reaper failed on a job", job_id=str(job_id))
            return None

    def _abandoned(self) -> list[Abandoned]:
        unowned = Job.status.in_(UNOWNED)
        orphaned = statements.ORPHANED
        cases = (
            ("cancelled", and_(Job.cancel_requested_at.is_not(None), Job.finished_at.is_(None))),
            ("deadline", and_(Job.deadline_at <= now(), Job.status.in_((Status.PENDING, Status.PROCESSING)))),
            ("expired", and_(Job.status == Status.REQUIRES_ACTION, Job.action_expires_at <= now())),
            ("crashed", Job.crashes + 1 >= self._settings.max_crashes),
        )
        found: dict[UUID, Abandoned] = {}
        for why, condition in cases:
            owned_by_nobody = orphaned if why == "crashed" else or_(unowned, orphaned)
            statement = select(Job.id, Job.attempt, Job.status).where(condition, owned_by_nobody).limit(BATCH)
            with glance() as connection:
                for row in connection.execute(statement):
                    found.setdefault(row.id, Abandoned(row.id, row.attempt, why, row.status == Status.PROCESSING))
        return list(found.values())

    def _pairs(self, condition: ColumnElement[bool]) -> list[tuple[UUID, int]]:
        with glance() as connection:
            rows = connection.execute(select(Job.id, Job.attempt).where(condition).limit(BATCH))
            return [(row.id, row.attempt) for row in rows]

    def _loop(self) -> None:
        with self._app.app_context():
            while not self._stopped.wait(self._settings.reaper_seconds):
                try:
                    self.pass_once()
                except SQLAlchemyError as error:
                    log.warning("reaper pass failed", error=type(error).__name__)
                except Exception:
                    # The thread must outlive whatever it was; the next pass starts anew.
                    log.exception("reaper pass failed")


def _recover(job_id: UUID, attempt: int) -> None:
    with transaction() as session:
        if lifecycle.recover(session, job_id, attempt):
            log.warning("recovered a job of a dead worker", job_id=str(job_id), attempt=attempt)
    failpoints.hit("recovered")


def _wake(job_id: UUID) -> None:
    with transaction() as session:
        lifecycle.wake(session, job_id)
