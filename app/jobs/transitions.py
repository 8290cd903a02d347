"""The state machine of a job, as data: every transition is one UPDATE, guarded by what stands here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.models import ACTIVE, TERMINAL, Status

# Nobody holds a job in these states, so anybody may end it.
UNOWNED = frozenset({Status.PENDING, Status.WAITING, Status.REQUIRES_ACTION})


class Guard(StrEnum):
    """What must be true of the row besides its state. `app/jobs/lifecycle.py` says each in SQL."""

    ATTEMPT = "the caller names the job's attempt"
    LEASE = "the caller names the lease it is held under"
    LAPSED = "the lease it is held under has lapsed"
    LIVE = "the caller's own lease has not lapsed"
    DUE = "its wait is over, if it has one"
    UNBLOCKED = "every job before it in its branch has ended"
    UNCANCELLED = "nobody has asked to cancel it"
    FEW_CRASHES = "it has crashed fewer times than the caller takes"
    ACTION = "the caller names what is being asked"
    IN_TIME = "what is asked has not expired"


@dataclass(frozen=True, slots=True)
class Transition:
    """One move: the states it `leaves`, those it may enter (none: the state stays) and the columns it `sets`.

    `by` and `when` say who makes it and why. `closes` is true where the running attempt's row is closed with it.
    """

    name: str
    leaves: frozenset[Status]
    enters: frozenset[Status]
    guards: frozenset[Guard]
    sets: frozenset[str]
    by: str
    when: str
    closes: bool = False


_PROCESSING = frozenset({Status.PROCESSING})
_PENDING = frozenset({Status.PENDING})
_STAYS: frozenset[Status] = frozenset()
_HELD = frozenset({Guard.ATTEMPT, Guard.LEASE})
_ORPHANED = frozenset({Guard.ATTEMPT, Guard.LAPSED})
_ENDS = frozenset(
    {
        "status",
        "lease_id",
        "wake_at",
        "action_id",
        "action_expires_at",
        "checkpoint",
        "score",
        "lost",
        "finished_at",
    }
)

CLAIM = Transition(
    "claim",
    leaves=frozenset({Status.PENDING, Status.WAITING}),
    enters=_PROCESSING,
    guards=frozenset({Guard.LIVE, Guard.DUE, Guard.UNBLOCKED, Guard.UNCANCELLED, Guard.FEW_CRASHES}),
    sets=frozenset({"status", "attempt", "lease_id", "wake_at", "checkpoint", "lost", "started_at", "deadline_at"}),
    by="a worker that was woken",
    when="it is to be worked on; begins the next attempt, and the first time the deadline",
)
CHECKPOINT = Transition(
    "checkpoint",
    leaves=_PROCESSING,
    enters=_STAYS,
    guards=_HELD,
    sets=frozenset({"checkpoint", "score", "lost"}),
    by="its worker",
    when="a sentence has ended, or some time has passed: keeps the text so far",
)
SETTLE = Transition(
    "settle",
    leaves=_PROCESSING,
    enters=_STAYS,
    guards=_HELD,
    sets=frozenset({"settled", "checkpoint", "score", "lost"}),
    by="its worker",
    when="a step is committed, in the same transaction: its text is never written again",
)
FINISH = Transition(
    "finish",
    leaves=_PROCESSING,
    enters=TERMINAL,
    guards=_HELD,
    sets=_ENDS,
    by="its worker",
    when="the reply is written, refused, cancelled or late",
    closes=True,
)
WAIT = Transition(
    "wait",
    leaves=_PROCESSING,
    enters=frozenset({Status.WAITING}),
    guards=_HELD,
    sets=frozenset({"status", "lease_id", "waits", "wake_at", "deadline_at"}),
    by="its worker",
    when="the provider or a tool asks for a long pause, which does not count against the deadline",
    closes=True,
)
ASK = Transition(
    "ask",
    leaves=_PROCESSING,
    enters=frozenset({Status.REQUIRES_ACTION}),
    guards=_HELD,
    sets=frozenset({"status", "lease_id", "action_id", "action_expires_at", "deadline_at"}),
    by="its worker",
    when="a tool needs a person's answer or approval, which does not count against the deadline",
    closes=True,
)
ANSWER = Transition(
    "answer",
    leaves=frozenset({Status.REQUIRES_ACTION}),
    enters=_PENDING,
    guards=frozenset({Guard.ACTION, Guard.IN_TIME, Guard.UNCANCELLED}),
    sets=frozenset({"status", "action_id", "action_expires_at", "deadline_at", "next_publish_at"}),
    by="a person",
    when="the question is answered; of several answers the first counts",
)
LET_GO = Transition(
    "let_go",
    leaves=_PROCESSING,
    enters=_STAYS,
    guards=_HELD,
    sets=frozenset({"lease_id"}),
    by="its worker's heartbeat",
    when="it holds a job that nobody there works on; a reaper recovers it",
)
HAND_OVER = Transition(
    "hand_over",
    leaves=_PROCESSING,
    enters=_PENDING,
    guards=_HELD,
    sets=frozenset({"status", "lease_id", "next_publish_at"}),
    by="its worker",
    when="it is told to stop, or cannot reach the database; counts no crash",
    closes=True,
)
RECOVER = Transition(
    "recover",
    leaves=_PROCESSING,
    enters=_PENDING,
    guards=_ORPHANED,
    sets=frozenset({"status", "lease_id", "crashes", "next_publish_at"}),
    by="a reaper",
    when="its worker is dead or silent; counts a crash",
    closes=True,
)
END_ORPHAN = Transition(
    "end_orphan",
    leaves=_PROCESSING,
    enters=frozenset({Status.FAILED, Status.CANCELLED}),
    guards=_ORPHANED,
    sets=_ENDS | {"crashes"},
    by="a reaper",
    when="its worker is dead or silent, and it is cancelled, late or has crashed too often",
    closes=True,
)
WAKE = Transition(
    "wake",
    leaves=frozenset({Status.WAITING}),
    enters=_PENDING,
    guards=frozenset({Guard.DUE}),
    sets=frozenset({"status", "wake_at", "next_publish_at"}),
    by="a reaper",
    when="its wait is over",
)
HASTEN = Transition(
    "hasten",
    leaves=frozenset({Status.WAITING}),
    enters=_PENDING,
    guards=frozenset({Guard.UNCANCELLED}),
    sets=frozenset({"status", "wake_at", "deadline_at", "next_publish_at"}),
    by="a person",
    when="it shall wait no longer",
)
SNOOZE = Transition(
    "snooze",
    leaves=frozenset({Status.WAITING}),
    enters=_STAYS,
    guards=frozenset({Guard.UNCANCELLED}),
    sets=frozenset({"wake_at", "deadline_at"}),
    by="a person",
    when="it shall wait longer",
)
STEER = Transition(
    "steer",
    leaves=ACTIVE,
    enters=_STAYS,
    guards=frozenset({Guard.UNCANCELLED}),
    sets=frozenset({"steers"}),
    by="a person",
    when="a message is to enter before its next model call",
)
END_UNOWNED = Transition(
    "end_unowned",
    leaves=UNOWNED,
    enters=frozenset({Status.FAILED, Status.CANCELLED}),
    guards=frozenset({Guard.ATTEMPT}),
    sets=_ENDS,
    by="a cancel, or a reaper",
    when="it is cancelled or late, was not answered in time or has crashed too often",
)
REQUEST_CANCEL = Transition(
    "request_cancel",
    leaves=ACTIVE,
    enters=_STAYS,
    guards=frozenset({Guard.UNCANCELLED}),
    sets=frozenset({"cancel_requested_at"}),
    by="a cancel",
    when="somebody wishes it: noted durably before anybody is told",
)
MARK_ANNOUNCED = Transition(
    "mark_announced",
    leaves=TERMINAL,
    enters=_STAYS,
    guards=frozenset(),
    sets=frozenset({"announced_at"}),
    by="whoever sent the last event",
    when="it is sent; until then reapers send it",
)

TRANSITIONS = (
    CLAIM,
    CHECKPOINT,
    SETTLE,
    FINISH,
    WAIT,
    ASK,
    ANSWER,
    LET_GO,
    HAND_OVER,
    RECOVER,
    END_ORPHAN,
    WAKE,
    HASTEN,
    SNOOZE,
    STEER,
    END_UNOWNED,
    REQUEST_CANCEL,
    MARK_ANNOUNCED,
)
