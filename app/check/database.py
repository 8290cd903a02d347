"""The database that is checked: that it can be, and how its clock and its workers stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app.check.errors import Unusable
from app.clock import now
from app.database import reading
from app.extensions import db
from app.models import Job, Status, WorkerLease


@dataclass(frozen=True, slots=True)
class Moment:
    """When the check looks, by the database's clock, and since when it may expect promises of time to be kept.

    `leases`: from when to when workers were there, in order; those of the last day. `has_room`: whether a worker has
    threads to spare; `has_redis`: whether Redis answers.
    """

    now: datetime
    faults_ended: datetime | None
    leases: tuple[tuple[datetime, datetime], ...]
    has_room: bool
    has_redis: bool

    @property
    def has_worker(self) -> bool:
        """Whether a worker lives at this moment."""
        return any(end > self.now for _, end in self.leases)

    def late(self, start: datetime, seconds: float, end: datetime | None = None) -> float | None:
        """By how many seconds what had to happen within `seconds` of `start` came too late, or is late by now.

        None where it is in time, and where it may be: nothing is promised while faults last. Nobody told us of any,
        so then it counts only where a worker was there all the time.
        """
        excused = max(start, self.faults_ended) if self.faults_ended is not None else start
        over = ((end or self.now) - excused).total_seconds() - seconds
        if over <= 0:
            return None
        until = end or self.now
        span = timedelta(seconds=seconds)
        served = self._served(start, start + span) or self._served(until - span, until)
        return over if self.faults_ended is not None or served else None

    def since(self, moment: datetime | None) -> bool:
        """Whether the faults are known to have ended before `moment`."""
        return self.faults_ended is not None and moment is not None and moment >= self.faults_ended

    def _served(self, start: datetime, end: datetime) -> bool:
        for begins, ends in self.leases:
            if begins <= start < ends:
                start = ends
        return start >= end


def require(heads: frozenset[str]) -> None:
    """Raise Unusable unless the database answers and is migrated to exactly `heads`."""
    path = db.engine.url.database
    if db.engine.dialect.name == "sqlite" and not (path and Path(path).is_file()):
        raise Unusable(f"The database {path} does not exist; run `flask --app app setup`.")
    with readable(), db.engine.connect() as connection:
        found = frozenset(MigrationContext.configure(connection).get_current_heads())
    if found != heads:
        at = f"at revision {', '.join(sorted(found))}" if found else "not migrated"
        raise Unusable(
            f"The database is {at}, this code needs {', '.join(sorted(heads))}; run `flask --app app setup`."
        )


@contextmanager
def readable() -> Iterator[None]:
    """Raises Unusable where the database fails in the block."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise Unusable(f"The database cannot be read: {cause}") from None


def workers() -> str:
    """How many worker processes live, and whether leases that lapsed hold jobs that nobody has recovered."""
    holding = select(func.count(Job.lease_id.distinct())).where(Job.status == Status.PROCESSING)
    with reading() as session:
        living = session.scalars(select(func.count()).where(WorkerLease.expires_at > now())).one()
        lapsed = session.scalars(
            holding.join(WorkerLease, WorkerLease.id == Job.lease_id).where(WorkerLease.expires_at <= now())
        ).one()
    return f"{living} workers live, {lapsed} lapsed leases hold jobs"


def moment(faults_ended: float | None, worker_threads: int, *, has_redis: bool) -> Moment:
    """The present one. `faults_ended`: seconds since the epoch."""
    with reading() as session:
        at = session.execute(select(now())).scalar_one()
        leases = session.execute(
            select(WorkerLease.created_at, WorkerLease.expires_at).order_by(WorkerLease.created_at)
        ).all()
        processing = session.scalars(select(func.count()).where(Job.status == Status.PROCESSING)).one()
    ended = datetime.fromtimestamp(faults_ended, UTC) if faults_ended is not None else None
    living = sum(ends > at for _, ends in leases)
    spans = tuple((begins, ends) for begins, ends in leases)
    return Moment(at, ended, spans, living > 0 and processing < worker_threads, has_redis)
