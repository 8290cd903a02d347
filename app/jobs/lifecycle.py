"""The transitions of a job: each is one UPDATE that names the state it leaves; no row changed means: not yours.

Every function works inside the caller's transaction and takes the job's row lock first, before any other row. What
each leaves, needs and sets stands in `app/jobs/transitions.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, exists, func, insert, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased
from sqlalchemy.sql.dml import ReturningUpdate, Update

from app.clock import now
from app.jobs import transitions as moves
from app.jobs.claim import Claim
from app.jobs.transitions import Guard, Transition
from app.models import TERMINAL, Attempt, Job, Status, WorkerLease

CRASHED = "crashed"
HANDED_OVER = "handed_over"


@dataclass(frozen=True, slots=True)
class _Named:
    """What the caller says about the job: which it is and what the guards ask for."""

    job_id: UUID
    attempt: int = -1
    lease_id: UUID | None = None
    crashes_below: int = 0
    action_id: UUID | None = None

    @classmethod
    def by(cls, claim: Claim) -> _Named:
        return cls(claim.job_id, claim.attempt, claim.lease_id)


@cache
def unblocked() -> ColumnElement[bool]:
    """True for a job with nothing unfinished before it in its branch.

    Whatever began had waited for all before it; one cancelled before it began hides none.
    """
    nearest, farther = aliased(Job), aliased(Job)  # made once: that takes longer than the whole claim
    before = (
        select(nearest.status, nearest.started_at, nearest.after_id)
        .where(nearest.id == Job.after_id)
        .correlate(Job)
        .cte("before", recursive=True, nesting=True)
    )
    before = before.union_all(
        select(farther.status, farther.started_at, farther.after_id).where(
            farther.id == before.c.after_id, before.c.started_at.is_(None)
        )
    )
    return ~exists().where(before.c.status.not_in(TERMINAL))


def lapsed() -> ColumnElement[bool]:
    """True for a job whose lease has lapsed, or that has none."""
    return ~exists().where(WorkerLease.id == Job.lease_id, WorkerLease.expires_at > now())


def orphaned() -> ColumnElement[bool]:
    """True for a job that is being worked on under a lease that has lapsed."""
    return and_(Job.status == Status.PROCESSING, lapsed())


def claim(session: Session, job_id: UUID, lease_id: UUID, reply_seconds: float, crashes_below: int) -> Claim | None:
    """pending or due → processing, with the next attempt number; None when there is nothing to claim.

    The deadline starts with the first claim; a lease that has lapsed claims nothing.
    """
    claiming = _update(
        moves.CLAIM,
        _Named(job_id, lease_id=lease_id, crashes_below=crashes_below),
        status=Status.PROCESSING,
        attempt=Job.attempt + 1,
        lease_id=lease_id,
        wake_at=None,
        checkpoint=Job.settled,
        lost=case((_unsettled() > 0, func.substr(Job.checkpoint, func.length(Job.settled) + 1)), else_=Job.lost),
        started_at=func.coalesce(Job.started_at, now()),
        deadline_at=func.coalesce(Job.deadline_at, now(reply_seconds + Job.more_seconds)),
    )
    row = session.execute(
        claiming.returning(
            Job.thread_id,
            Job.attempt,
            Job.request_id,
            Job.waits,
            Job.steers,
            Job.deadline_at,
            now().label("now"),
        )
    ).one_or_none()
    if row is None:
        return None
    session.execute(insert(Attempt).values(job_id=job_id, number=row.attempt, lease_id=lease_id))
    left = (row.deadline_at - row.now).total_seconds()
    return Claim(job_id, row.thread_id, row.attempt, lease_id, row.request_id, row.waits, row.steers, row.now, left)


def checkpoint(session: Session, claim: Claim, text: str, score: str = "") -> bool:
    """Keep the attempt's text so far, and its score; what was taken before a step was committed takes nothing of that
    back."""
    kept = case((func.length(Job.settled) > len(text), Job.settled), else_=text)
    return _move(session, moves.CHECKPOINT, _Named.by(claim), checkpoint=kept, **_scored(score))


def settle(session: Session, claim: Claim, text: str, score: str = "") -> bool:
    """Note that `text`, which is all so far, belongs to steps that are committed with this; `score` tells of both."""
    return _move(session, moves.SETTLE, _Named.by(claim), settled=text, checkpoint=text, **_scored(score))


def finish(session: Session, claim: Claim, status: Status, score: str = "") -> bool:
    """processing → completed, failed or cancelled, by the worker that holds it."""
    return _move(session, moves.FINISH, _Named.by(claim), outcome=status, **_ended(status, score))


def wait(
    session: Session, claim: Claim, seconds: float, seconds_left: float, *, counts: bool = True
) -> datetime | None:
    """processing → waiting for `seconds`; returns the moment it wakes, None when the claim was lost.

    `counts`: among the waits that its provider may ask for.

    The deadline moves to `seconds_left` after that moment: waiting does not count.
    """
    waiting: ReturningUpdate[Any] = _update(
        moves.WAIT,
        _Named.by(claim),
        status=Status.WAITING,
        lease_id=None,
        waits=Job.waits + int(counts),
        wake_at=now(seconds),
        deadline_at=now(seconds + seconds_left),
    ).returning(Job.wake_at)
    wake_at: datetime | None = session.scalars(waiting).one_or_none()
    if wake_at is not None:
        _close(session, claim.job_id, claim.attempt, Status.WAITING)
    return wake_at


def ask(session: Session, claim: Claim, action_id: UUID, seconds: float, seconds_left: float) -> datetime | None:
    """processing → requires_action for at most `seconds`; returns when that expires, None when the claim was lost.

    The deadline moves to `seconds_left` after that moment, and back with the answer.
    """
    asking: ReturningUpdate[Any] = _update(
        moves.ASK,
        _Named.by(claim),
        status=Status.REQUIRES_ACTION,
        lease_id=None,
        action_id=action_id,
        action_expires_at=now(seconds),
        deadline_at=now(seconds + seconds_left),
    ).returning(Job.action_expires_at)
    expires_at: datetime | None = session.scalars(asking).one_or_none()
    if expires_at is not None:
        _close(session, claim.job_id, claim.attempt, Status.REQUIRES_ACTION)
    return expires_at


def answer(session: Session, job_id: UUID, action_id: UUID) -> bool:
    """requires_action → pending, for the first who answers this action in time."""
    left = _seconds_left(session, job_id, Job.action_expires_at)
    return _move(
        session,
        moves.ANSWER,
        _Named(job_id, action_id=action_id),
        status=Status.PENDING,
        action_id=None,
        action_expires_at=None,
        deadline_at=now(left) if left is not None else None,
        next_publish_at=now(),
    )


def let_go(session: Session, job_id: UUID, attempt: int, lease_id: UUID) -> bool:
    """Make an orphan of a job that this lease holds although nobody works on it; the reaper takes it from there."""
    return _move(session, moves.LET_GO, _Named(job_id, attempt, lease_id), lease_id=None)


def hand_over(session: Session, claim: Claim) -> bool:
    """processing → pending without a crash: the worker is leaving and another shall go on at once."""
    return _move(
        session,
        moves.HAND_OVER,
        _Named.by(claim),
        outcome=HANDED_OVER,
        status=Status.PENDING,
        lease_id=None,
        next_publish_at=now(),
    )


def recover(session: Session, job_id: UUID, attempt: int) -> bool:
    """processing → pending, for a job whose worker's lease has lapsed; counts a crash."""
    return _move(
        session,
        moves.RECOVER,
        _Named(job_id, attempt),
        outcome=CRASHED,
        status=Status.PENDING,
        lease_id=None,
        crashes=Job.crashes + 1,
        next_publish_at=now(),
    )


def end_orphan(session: Session, job_id: UUID, attempt: int, status: Status, score: str = "") -> bool:
    """processing → failed or cancelled, for a job whose worker's lease has lapsed and that shall not be tried again."""
    values = _ended(status, score) | {"crashes": Job.crashes + 1}
    return _move(session, moves.END_ORPHAN, _Named(job_id, attempt), outcome=CRASHED, **values)


def wake(session: Session, job_id: UUID) -> bool:
    """waiting → pending once `wake_at` has passed."""
    return _move(session, moves.WAKE, _Named(job_id), status=Status.PENDING, wake_at=None, next_publish_at=now())


def hasten(session: Session, job_id: UUID) -> bool:
    """waiting → pending before `wake_at`."""
    left = _seconds_left(session, job_id, Job.wake_at)
    return _move(
        session,
        moves.HASTEN,
        _Named(job_id),
        status=Status.PENDING,
        wake_at=None,
        deadline_at=now(left) if left is not None else None,
        next_publish_at=now(),
    )


def snooze(session: Session, job_id: UUID, seconds: float) -> bool:
    """Wait until `seconds` from now; the deadline keeps its distance."""
    left = _seconds_left(session, job_id, Job.wake_at)
    deadline_at = now(seconds + left) if left is not None else None
    return _move(session, moves.SNOOZE, _Named(job_id), wake_at=now(seconds), deadline_at=deadline_at)


def steer(session: Session, job_id: UUID) -> bool:
    """Count one more message that enters before the next model call; False for a job that has ended."""
    return _move(session, moves.STEER, _Named(job_id), steers=Job.steers + 1)


def end_unowned(session: Session, job_id: UUID, attempt: int, status: Status, score: str = "") -> bool:
    """pending, waiting or requires_action → `status`, by whoever ends a job that nobody works on."""
    return _move(session, moves.END_UNOWNED, _Named(job_id, attempt), **_ended(status, score))


def request_cancel(session: Session, job_id: UUID) -> bool:
    """Note durably that this job shall be cancelled; its worker or the reaper does it."""
    return _move(session, moves.REQUEST_CANCEL, _Named(job_id), cancel_requested_at=now())


def mark_announced(session: Session, job_id: UUID) -> bool:
    """Note that the job's last event was sent."""
    return _move(session, moves.MARK_ANNOUNCED, _Named(job_id), announced_at=now())


_GUARDS: dict[Guard, Callable[[_Named], ColumnElement[bool]]] = {
    Guard.ATTEMPT: lambda named: Job.attempt == named.attempt,
    Guard.LEASE: lambda named: Job.lease_id == named.lease_id,
    Guard.LAPSED: lambda _: lapsed(),
    Guard.LIVE: lambda named: exists().where(WorkerLease.id == named.lease_id, WorkerLease.expires_at > now()),
    Guard.DUE: lambda _: or_(Job.status != Status.WAITING, Job.wake_at <= now()),
    Guard.UNBLOCKED: lambda _: unblocked(),
    Guard.UNCANCELLED: lambda _: Job.cancel_requested_at.is_(None),
    Guard.FEW_CRASHES: lambda named: Job.crashes < named.crashes_below,
    Guard.ACTION: lambda named: Job.action_id == named.action_id,
    Guard.IN_TIME: lambda _: Job.action_expires_at > now(),
}


def _update(transition: Transition, named: _Named, **values: Any) -> Update:
    """The one UPDATE of a transition."""
    assert values.keys() == transition.sets, transition.name
    assert values.get("status") in (transition.enters or {None}), transition.name
    guards = [_GUARDS[guard](named) for guard in sorted(transition.guards)]
    leaves = Job.status.in_(sorted(transition.leaves))
    return (
        update(Job)
        .where(Job.id == named.job_id, leaves, *guards)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _move(session: Session, transition: Transition, named: _Named, outcome: str = "", **values: Any) -> bool:
    """Make the transition; where it ends the running attempt, `outcome` says how."""
    result = session.execute(_update(transition, named, **values))
    assert isinstance(result, CursorResult)
    moved = result.rowcount == 1
    if moved and transition.closes:
        _close(session, named.job_id, named.attempt, outcome)
    return moved


def _ended(status: Status, score: str) -> dict[str, Any]:
    nothing: dict[str, Any] = dict.fromkeys(("lease_id", "wake_at", "action_id", "action_expires_at"))
    return {"status": status, **nothing, "checkpoint": "", **_scored(score), "lost": "", "finished_at": now()}


def _scored(score: str) -> dict[str, Any]:
    """A score only grows: one that was taken before another was committed, or none at all, replaces nothing."""
    is_older = func.length(Job.score) > len(score)
    return {"score": case((is_older, Job.score), else_=score), "lost": case((is_older, Job.lost), else_="")}


def _unsettled() -> ColumnElement[int]:
    """How many code points the checkpoint has beyond what is settled."""
    return func.length(Job.checkpoint) - func.length(Job.settled)


def _seconds_left(session: Session, job_id: UUID, since: InstrumentedAttribute[datetime | None]) -> float | None:
    """From the end of a pause to the deadline: the time to work once the pause is over. None without a deadline."""
    pause = session.execute(select(Job.deadline_at, since.label("since")).where(Job.id == job_id)).one_or_none()
    if pause is None or pause.deadline_at is None or pause.since is None:
        return None
    left: float = (pause.deadline_at - pause.since).total_seconds()
    return max(0.0, left)


def _close(session: Session, job_id: UUID, attempt: int, outcome: str) -> None:
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == job_id, Attempt.number == attempt)
        .values(ended_at=now(), outcome=outcome)
    )
