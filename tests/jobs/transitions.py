"""Every transition of a job, and the table of what each one needs; the tests are generated from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

from sqlalchemy.orm import Session

from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.jobs.transitions import UNOWNED
from app.models import ACTIVE, TERMINAL, Status

OWNERS = ("mine", "other", "lapsed")


@dataclass(frozen=True, slots=True)
class Case:
    """A job in `status`, due or not where it waits, and what the transition says about it."""

    status: Status
    due: bool
    right_attempt: bool
    owner: str  # whose lease the job is under, where it is under one

    @property
    def held(self) -> bool:
        """The caller names the job's own attempt and lease; that the lease has lapsed does not matter yet."""
        return self.status is Status.PROCESSING and self.right_attempt and self.owner != "other"

    @property
    def orphan(self) -> bool:
        """Nobody alive works on it."""
        return self.status is Status.PROCESSING and self.right_attempt and self.owner == "lapsed"


CASES = [
    Case(status, due, attempt, owner)
    for status, due, attempt, owner in product(Status, (True, False), (True, False), OWNERS)
    if due or status is Status.WAITING
]


@dataclass(frozen=True, slots=True)
class Transition:
    """`move(session, job_id, attempt, lease_id)` does it, `allowed` says when."""

    name: str
    move: Callable[[Session, UUID, int, UUID], object]
    allowed: Callable[[Case], bool]


def _claim(job_id: UUID, attempt: int, lease_id: UUID) -> Claim:
    return Claim(job_id, job_id, attempt, lease_id, None, 0, datetime.now(UTC), 60)


def _held(name: str, move: Callable[[Session, Claim], object]) -> Transition:
    return Transition(name, lambda s, job, attempt, lease: move(s, _claim(job, attempt, lease)), lambda c: c.held)


def _claimable(case: Case) -> bool:
    ready = case.status is Status.PENDING or (case.status is Status.WAITING and case.due)
    return ready and case.owner != "lapsed"


TRANSITIONS = [
    Transition("claim", lambda s, job, attempt, lease: lifecycle.claim(s, job, lease, 60, 3), _claimable),
    _held("checkpoint", lambda s, claim: lifecycle.checkpoint(s, claim, "new text")),
    _held("complete", lambda s, claim: lifecycle.finish(s, claim, Status.COMPLETED)),
    _held("fail", lambda s, claim: lifecycle.finish(s, claim, Status.FAILED)),
    _held("wait", lambda s, claim: lifecycle.wait(s, claim, 5, 60)),
    _held("hand over", lifecycle.hand_over),
    Transition("let go", lifecycle.let_go, lambda c: c.held),
    Transition("recover", lambda s, job, attempt, lease: lifecycle.recover(s, job, attempt), lambda c: c.orphan),
    Transition(
        "end an orphan",
        lambda s, job, attempt, lease: lifecycle.end_orphan(s, job, attempt, Status.FAILED),
        lambda c: c.orphan,
    ),
    Transition(
        "end what nobody holds",
        lambda s, job, attempt, lease: lifecycle.end_unowned(s, job, attempt, Status.CANCELLED),
        lambda c: c.status in UNOWNED and c.right_attempt,
    ),
    Transition(
        "wake",
        lambda s, job, attempt, lease: lifecycle.wake(s, job),
        lambda c: c.status is Status.WAITING and c.due,
    ),
    Transition(
        "request a cancel",
        lambda s, job, attempt, lease: lifecycle.request_cancel(s, job),
        lambda c: c.status in ACTIVE,
    ),
    Transition(
        "mark as announced",
        lambda s, job, attempt, lease: lifecycle.mark_announced(s, job),
        lambda c: c.status in TERMINAL,
    ),
]
