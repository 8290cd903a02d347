"""The transitions of a job: each is one UPDATE that names the state it leaves; no row changed means: not yours.

Every function works inside the caller's transaction and takes the job's row lock first, before any other row. What
each leaves, needs and sets stands in `app/jobs/transitions.py`. What every reply does is a statement built once: that
costs more than to send it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.dml import Update

from app.clock import now
from app.database import writes_at_once
from app.ids import new_id
from app.jobs import statements
from app.jobs import transitions as moves
from app.jobs.claim import Claim
from app.jobs.transitions import Transition
from app.models import Job, Status

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

    def parameters(self, transition: Transition) -> dict[str, Any]:
        """Those that the guards of this transition ask for."""
        names = {statements.NAMES[guard] for guard in transition.guards & statements.NAMES.keys()}
        return {"job": self.job_id} | {f"of_{name}": getattr(self, name) for name in names}


def claim(session: Session, job_id: UUID, lease_id: UUID, reply_seconds: float, crashes_below: int) -> Claim | None:
    """pending or due → processing, with the next attempt number; None when there is nothing to claim.

    The deadline starts with the first claim; a lease that has lapsed claims nothing.
    """
    named = _Named(job_id, lease_id=lease_id, crashes_below=crashes_below)
    row = _claimed(session, named.parameters(moves.CLAIM) | {"seconds": reply_seconds})
    if row is None:
        return None
    left = (row.deadline_at - row.now).total_seconds()
    return Claim(job_id, row.thread_id, row.attempt, lease_id, row.request_id, row.waits, row.steers, row.now, left)


def checkpoint(session: Session, claim: Claim, text: str, score: str = "") -> bool:
    """Keep the attempt's text so far, and its score; what was taken before a step was committed takes nothing of that
    back."""
    return _moved(session, moves.CHECKPOINT, statements.CHECKPOINT, _Named.by(claim), text=text, told=score)


def settle(session: Session, claim: Claim, text: str, score: str = "") -> bool:
    """Note that `text`, which is all so far, belongs to steps that are committed with this; `score` tells of both."""
    return _moved(session, moves.SETTLE, statements.SETTLE, _Named.by(claim), text=text, told=score)


def finish(session: Session, claim: Claim, status: Status, score: str = "") -> bool:
    """processing → completed, failed or cancelled, by the worker that holds it."""
    return _moved(session, moves.FINISH, statements.FINISH, _Named.by(claim), outcome=status, end=status, told=score)


def wait(
    session: Session, claim: Claim, seconds: float, seconds_left: float, *, counts: bool = True
) -> datetime | None:
    """processing → waiting for `seconds`; returns the moment it wakes, None when the claim was lost.

    `counts`: among the waits that its provider may ask for.

    The deadline moves to `seconds_left` after that moment: waiting does not count.
    """
    named = _Named.by(claim)
    waiting = statements.moving(
        moves.WAIT,
        status=Status.WAITING,
        lease_id=None,
        waits=Job.waits + int(counts),
        wake_at=now(seconds),
        deadline_at=now(seconds + seconds_left),
    ).returning(Job.wake_at)
    wake_at: datetime | None = session.scalars(waiting, named.parameters(moves.WAIT)).one_or_none()
    if wake_at is not None:
        _close(session, named, Status.WAITING)
    return wake_at


def ask(session: Session, claim: Claim, action_id: UUID, seconds: float, seconds_left: float) -> datetime | None:
    """processing → requires_action for at most `seconds`; returns when that expires, None when the claim was lost.

    The deadline moves to `seconds_left` after that moment, and back with the answer.
    """
    named = _Named.by(claim)
    asking = statements.moving(
        moves.ASK,
        status=Status.REQUIRES_ACTION,
        lease_id=None,
        action_id=action_id,
        action_expires_at=now(seconds),
        deadline_at=now(seconds + seconds_left),
    ).returning(Job.action_expires_at)
    expires_at: datetime | None = session.scalars(asking, named.parameters(moves.ASK)).one_or_none()
    if expires_at is not None:
        _close(session, named, Status.REQUIRES_ACTION)
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
    named = _Named(job_id, attempt)
    return _moved(session, moves.END_ORPHAN, statements.END_ORPHAN, named, outcome=CRASHED, end=status, told=score)


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
    named = _Named(job_id, attempt)
    return _moved(session, moves.END_UNOWNED, statements.END_UNOWNED, named, end=status, told=score)


def request_cancel(session: Session, job_id: UUID) -> bool:
    """Note durably that this job shall be cancelled; its worker or the reaper does it."""
    return _move(session, moves.REQUEST_CANCEL, _Named(job_id), cancel_requested_at=now())


def mark_announced(session: Session, job_id: UUID) -> bool:
    """Note that the job's last event was sent."""
    return _moved(session, moves.MARK_ANNOUNCED, statements.MARK_ANNOUNCED, _Named(job_id))


def _claimed(session: Session, wanted: dict[str, Any]) -> Row[Any] | None:
    """Make the claim, and open its attempt with it."""
    if writes_at_once(session):
        return session.execute(statements.CLAIM_AND_OPEN, wanted | {"opened": new_id()}).one_or_none()
    row = session.execute(statements.CLAIM, wanted).one_or_none()
    if row is not None:
        opened = {"job_id": wanted["job"], "number": row.attempt, "lease_id": wanted["of_lease_id"]}
        session.execute(statements.OPEN_ATTEMPT, opened)
    return row


def _move(session: Session, transition: Transition, named: _Named, outcome: str = "", **values: Any) -> bool:
    """Make a transition that few replies make."""
    return _moved(session, transition, statements.moving(transition, **values), named, outcome)


def _moved(
    session: Session, transition: Transition, statement: Update, named: _Named, outcome: str = "", **values: Any
) -> bool:
    """Make the transition; where it ends the running attempt, `outcome` says how."""
    assert values.get("end") is None or values["end"] in transition.enters, transition.name
    result = session.execute(statement, named.parameters(transition) | values)
    assert isinstance(result, CursorResult)
    moved = result.rowcount == 1
    if moved and transition.closes:
        _close(session, named, outcome)
    return moved


def _close(session: Session, named: _Named, outcome: str) -> None:
    closed = {"job": named.job_id, "of_attempt": named.attempt, "how": outcome}
    session.execute(statements.CLOSE_ATTEMPT, closed)


def _seconds_left(session: Session, job_id: UUID, since: InstrumentedAttribute[datetime | None]) -> float | None:
    """From the end of a pause to the deadline: the time to work once the pause is over. None without a deadline."""
    pause = session.execute(select(Job.deadline_at, since.label("since")).where(Job.id == job_id)).one_or_none()
    if pause is None or pause.deadline_at is None or pause.since is None:
        return None
    left: float = (pause.deadline_at - pause.since).total_seconds()
    return max(0.0, left)
