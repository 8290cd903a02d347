"""Every case a transition may meet, and what the table of transitions says about it: the tests are generated from it.

What a guard means is said here in Python, beside the SQL of app/jobs/lifecycle.py and not by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

from sqlalchemy.orm import Session

from app.ids import new_id
from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.jobs.transitions import TRANSITIONS, Guard, Transition
from app.models import Status

ATTEMPT = 3
MOST_CRASHES = 3
SCORE = '[["a longer score"]]'

# Whose lease the job is under: the caller's, another's, nobody's any more.
MINE, OTHERS, NOBODYS = "mine", "other's", "nobody's"


@dataclass(frozen=True, slots=True)
class Case:
    """A job, and what the caller is to say about it."""

    status: Status
    due: bool
    under: str
    mine_lapsed: bool
    others_lapsed: bool
    right_attempt: bool
    blocked: bool
    cancelled: bool
    crashes: int
    right_action: bool
    in_time: bool

    @property
    def is_real(self) -> bool:
        """Only what waits can be due or not, only what asks can be answered, and only what somebody works on can be
        under a lease or not."""
        held = self.status is Status.PROCESSING
        return (
            (self.due or self.status is Status.WAITING)
            and ((self.right_action and self.in_time) or self.status is Status.REQUIRES_ACTION)
            and (held or self.under == OTHERS)
            and (not self.others_lapsed or (held and self.under == OTHERS))
        )

    @property
    def lapsed(self) -> bool:
        """Whether the lease that the job is under has lapsed."""
        return {MINE: self.mine_lapsed, OTHERS: self.others_lapsed, NOBODYS: True}[self.under]


YES_OR_NO = (True, False)
CASES = [
    case
    for case in (
        Case(*values)
        for values in product(
            Status,
            YES_OR_NO,
            (MINE, OTHERS, NOBODYS),
            YES_OR_NO,
            YES_OR_NO,
            YES_OR_NO,
            YES_OR_NO,
            YES_OR_NO,
            (MOST_CRASHES - 1, MOST_CRASHES),
            YES_OR_NO,
            YES_OR_NO,
        )
    )
    if case.is_real
]

HOLDS: dict[Guard, Callable[[Case], bool]] = {
    Guard.ATTEMPT: lambda case: case.right_attempt,
    Guard.LEASE: lambda case: case.under == MINE,
    Guard.LAPSED: lambda case: case.lapsed,
    Guard.LIVE: lambda case: not case.mine_lapsed,
    Guard.DUE: lambda case: case.due,
    Guard.UNBLOCKED: lambda case: not case.blocked,
    Guard.UNCANCELLED: lambda case: not case.cancelled,
    Guard.FEW_CRASHES: lambda case: case.crashes < MOST_CRASHES,
    Guard.ACTION: lambda case: case.right_action,
    Guard.IN_TIME: lambda case: case.in_time,
}


def allows(transition: Transition, case: Case) -> bool:
    """What the table says: the state is one that the transition leaves, and every guard is true."""
    return case.status in transition.leaves and all(HOLDS[guard](case) for guard in transition.guards)


@dataclass(frozen=True, slots=True)
class Said:
    """What the caller names."""

    job_id: UUID
    attempt: int
    lease_id: UUID
    action_id: UUID

    @property
    def claim(self) -> Claim:
        return Claim(self.job_id, self.job_id, self.attempt, self.lease_id, None, 0, 0, datetime.now(UTC), 60)


@dataclass(frozen=True, slots=True)
class Move:
    """A transition of the table into one of the states it may enter."""

    transition: Transition
    enters: Status | None

    def __str__(self) -> str:
        return "-".join(filter(None, (self.transition.name, self.enters)))

    def make(self, session: Session, said: Said) -> bool:
        """Call the function of that name; whether it says that the move took place."""
        return bool(_CALLS[self.transition.name](session, said, self.enters))


# Each calls the function of lifecycle that has its name, with what the caller says and the state to enter.
_CALLS: dict[str, Callable[[Session, Said, Status], object]] = {
    "claim": lambda s, said, _: lifecycle.claim(s, said.job_id, said.lease_id, 60, MOST_CRASHES),
    "checkpoint": lambda s, said, _: lifecycle.checkpoint(s, said.claim, "new text", SCORE),
    "settle": lambda s, said, _: lifecycle.settle(s, said.claim, "new text", SCORE),
    "finish": lambda s, said, enters: lifecycle.finish(s, said.claim, enters, SCORE),
    "wait": lambda s, said, _: lifecycle.wait(s, said.claim, 5, 60),
    "ask": lambda s, said, _: lifecycle.ask(s, said.claim, new_id(), 5, 60),
    "answer": lambda s, said, _: lifecycle.answer(s, said.job_id, said.action_id),
    "let_go": lambda s, said, _: lifecycle.let_go(s, said.job_id, said.attempt, said.lease_id),
    "hand_over": lambda s, said, _: lifecycle.hand_over(s, said.claim),
    "recover": lambda s, said, _: lifecycle.recover(s, said.job_id, said.attempt),
    "end_orphan": lambda s, said, enters: lifecycle.end_orphan(s, said.job_id, said.attempt, enters, SCORE),
    "wake": lambda s, said, _: lifecycle.wake(s, said.job_id),
    "hasten": lambda s, said, _: lifecycle.hasten(s, said.job_id),
    "snooze": lambda s, said, _: lifecycle.snooze(s, said.job_id, 5),
    "steer": lambda s, said, _: lifecycle.steer(s, said.job_id),
    "end_unowned": lambda s, said, enters: lifecycle.end_unowned(s, said.job_id, said.attempt, enters, SCORE),
    "request_cancel": lambda s, said, _: lifecycle.request_cancel(s, said.job_id),
    "mark_announced": lambda s, said, _: lifecycle.mark_announced(s, said.job_id),
}


def moves() -> Iterator[Move]:
    """Every transition into every state it may enter."""
    for transition in TRANSITIONS:
        for status in sorted(transition.enters) or [None]:
            yield Move(transition, status)
