"""The transitions of a job: each is one UPDATE that names the state it leaves; no row changed means: not yours.

Every function works inside the caller's transaction and takes the job's row lock first, before any other row.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, insert, or_, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session, aliased

from app.clock import now
from app.jobs.claim import Claim
from app.models import TERMINAL, Attempt, Job, Status, WorkerLease

# Nobody holds a job in these states, so anybody may end it.
UNOWNED = (Status.PENDING, Status.WAITING, Status.REQUIRES_ACTION)

CRASHED = "crashed"
HANDED_OVER = "handed_over"


def unblocked() -> ColumnElement[bool]:
    """True for a job whose predecessor in its branch has ended."""
    before = aliased(Job)
    return ~exists().where(before.id == Job.after_id, before.status.not_in(TERMINAL))


def orphaned() -> ColumnElement[bool]:
    """True for a job that is being worked on under a lease that has lapsed."""
    alive = exists().where(WorkerLease.id == Job.lease_id, WorkerLease.expires_at > now())
    return and_(Job.status == Status.PROCESSING, ~alive)


def claim(session: Session, job_id: UUID, lease_id: UUID, reply_seconds: float) -> Claim | None:
    """pending or due → processing, with the next attempt number; None when there is nothing to claim.

    The deadline starts with the first claim; a lease that has lapsed claims nothing.
    """
    alive = exists().where(WorkerLease.id == lease_id, WorkerLease.expires_at > now())
    due = or_(Job.status == Status.PENDING, and_(Job.status == Status.WAITING, Job.wake_at <= now()))
    row = session.execute(
        update(Job)
        .where(Job.id == job_id, due, Job.cancel_requested_at.is_(None), unblocked(), alive)
        .values(
            status=Status.PROCESSING,
            attempt=Job.attempt + 1,
            lease_id=lease_id,
            wake_at=None,
            checkpoint="",
            started_at=func.coalesce(Job.started_at, now()),
            deadline_at=func.coalesce(Job.deadline_at, now(reply_seconds)),
        )
        .returning(Job.thread_id, Job.attempt, Job.request_id, Job.waits, Job.deadline_at, now().label("now"))
    ).one_or_none()
    if row is None:
        return None
    session.execute(insert(Attempt).values(job_id=job_id, number=row.attempt, lease_id=lease_id))
    left = (row.deadline_at - row.now).total_seconds()
    return Claim(job_id, row.thread_id, row.attempt, lease_id, row.request_id, row.waits, row.now, left)


def checkpoint(session: Session, claim: Claim, text: str) -> bool:
    """Keep the attempt's text so far."""
    return _move(session, _held(claim), checkpoint=text)


def finish(session: Session, claim: Claim, status: Status) -> bool:
    """processing → completed, failed or cancelled, by the worker that holds it."""
    return _move(session, _held(claim), **_ended(status)) and _close(session, claim.job_id, claim.attempt, status)


def wait(session: Session, claim: Claim, seconds: float, seconds_left: float) -> datetime | None:
    """processing → waiting for `seconds`; returns the moment it wakes, None when the claim was lost.

    The deadline moves to `seconds_left` after that moment: waiting does not count.
    """
    wake_at = session.scalars(
        update(Job)
        .where(_held(claim))
        .values(
            status=Status.WAITING,
            lease_id=None,
            waits=Job.waits + 1,
            wake_at=now(seconds),
            deadline_at=now(seconds + seconds_left),
        )
        .returning(Job.wake_at)
    ).one_or_none()
    if wake_at is not None:
        _close(session, claim.job_id, claim.attempt, Status.WAITING)
    return wake_at


def let_go(session: Session, job_id: UUID, attempt: int, lease_id: UUID) -> bool:
    """Make an orphan of a job that this lease holds although nobody works on it; the reaper takes it from there."""
    return _move(session, _held_by(job_id, attempt, lease_id), lease_id=None)


def hand_over(session: Session, claim: Claim) -> bool:
    """processing → pending without a crash: the worker is leaving and another shall go on at once."""
    released = _move(session, _held(claim), status=Status.PENDING, lease_id=None, next_publish_at=now())
    return released and _close(session, claim.job_id, claim.attempt, HANDED_OVER)


def recover(session: Session, job_id: UUID, attempt: int) -> bool:
    """processing → pending, for a job whose worker's lease has lapsed; counts a crash."""
    recovered = _move(
        session,
        and_(Job.id == job_id, Job.attempt == attempt, orphaned()),
        status=Status.PENDING,
        lease_id=None,
        crashes=Job.crashes + 1,
        next_publish_at=now(),
    )
    return recovered and _close(session, job_id, attempt, CRASHED)


def wake(session: Session, job_id: UUID) -> bool:
    """waiting → pending once `wake_at` has passed."""
    due = and_(Job.id == job_id, Job.status == Status.WAITING, Job.wake_at <= now())
    return _move(session, due, status=Status.PENDING, wake_at=None, next_publish_at=now())


def end_unowned(session: Session, job_id: UUID, attempt: int, status: Status) -> bool:
    """pending, waiting or requires_action → `status`, by whoever ends a job that nobody works on."""
    unowned = and_(Job.id == job_id, Job.status.in_(UNOWNED), Job.attempt == attempt)
    return _move(session, unowned, **_ended(status))


def end_orphan(session: Session, job_id: UUID, attempt: int, status: Status) -> bool:
    """processing → failed or cancelled, for a job whose worker's lease has lapsed and that shall not be tried again."""
    orphan = and_(Job.id == job_id, Job.attempt == attempt, orphaned())
    ended = _move(session, orphan, crashes=Job.crashes + 1, **_ended(status))
    return ended and _close(session, job_id, attempt, CRASHED)


def request_cancel(session: Session, job_id: UUID) -> bool:
    """Note durably that this job shall be cancelled; its worker or the reaper does it."""
    active = and_(Job.id == job_id, Job.status.not_in(TERMINAL), Job.cancel_requested_at.is_(None))
    return _move(session, active, cancel_requested_at=now())


def mark_announced(session: Session, job_id: UUID) -> bool:
    """Note that the job's last event was sent."""
    return _move(session, and_(Job.id == job_id, Job.finished_at.is_not(None)), announced_at=now())


def _held(claim: Claim) -> ColumnElement[bool]:
    return _held_by(claim.job_id, claim.attempt, claim.lease_id)


def _held_by(job_id: UUID, attempt: int, lease_id: UUID) -> ColumnElement[bool]:
    return and_(Job.id == job_id, Job.status == Status.PROCESSING, Job.attempt == attempt, Job.lease_id == lease_id)


def _ended(status: Status) -> dict[str, Any]:
    return {"status": status, "lease_id": None, "wake_at": None, "checkpoint": "", "finished_at": now()}


def _move(session: Session, where: ColumnElement[bool], **values: Any) -> bool:
    result = session.execute(
        update(Job).where(where).values(**values), execution_options={"synchronize_session": False}
    )
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def _close(session: Session, job_id: UUID, attempt: int, outcome: str) -> bool:
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == job_id, Attempt.number == attempt)
        .values(ended_at=now(), outcome=outcome)
    )
    return True
