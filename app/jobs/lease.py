"""A worker process's lease in the database: taken, renewed, given back, and taken from the proven dead."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import CursorResult

from app.clock import now
from app.database import glance, transaction
from app.ids import new_id
from app.jobs.process import ProcessId
from app.models import Job, Status, WorkerLease
from app.models.columns import table


def take(process: ProcessId, seconds: float) -> UUID:
    """A new lease for `process`, valid for `seconds`."""
    lease_id = new_id()
    with transaction() as session:
        session.execute(
            insert(WorkerLease).values(
                id=lease_id,
                host=process.host,
                boot_id=process.boot_id,
                pid=process.pid,
                pid_started=process.pid_started,
                expires_at=now(seconds),
            )
        )
    return lease_id


def renew(lease_id: UUID, seconds: float) -> bool:
    """Extend the lease; False when it had lapsed already, which nothing can undo."""
    with transaction() as session:
        result = session.execute(
            update(WorkerLease)
            .where(WorkerLease.id == lease_id, WorkerLease.expires_at > now())
            .values(expires_at=now(seconds)),
            execution_options={"synchronize_session": False},
        )
        assert isinstance(result, CursorResult)
        return result.rowcount == 1


def give_back(lease_id: UUID) -> None:
    """Let the lease lapse now; whatever it still holds is recovered at once."""
    with transaction() as session:
        session.execute(update(WorkerLease).where(WorkerLease.id == lease_id).values(expires_at=now()))


def lapse_the_dead() -> int:
    """End the leases of processes proven dead on this machine, instead of waiting for their time; returns how many."""
    with glance() as connection:
        live = connection.execute(select(table(WorkerLease)).where(WorkerLease.expires_at > now())).all()
    dead = [x.id for x in live if ProcessId(x.host, x.boot_id, x.pid, x.pid_started).proven_dead()]
    if dead:
        with transaction() as session:
            session.execute(update(WorkerLease).where(WorkerLease.id.in_(dead)).values(expires_at=now()))
    return len(dead)


def forget_lapsed(after_seconds: float) -> None:
    """Remove leases that lapsed long ago and hold nothing."""
    holds = select(Job.id).where(Job.lease_id == WorkerLease.id, Job.status == Status.PROCESSING).exists()
    with transaction() as session:
        session.execute(delete(WorkerLease).where(WorkerLease.expires_at < now(-after_seconds), ~holds))
