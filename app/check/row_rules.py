"""What must hold of the rows of each message; every rule yields what is wrong with one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

from app.check import pause_rules
from app.check.database import Moment
from app.check.rows import Row
from app.check.verdict import Invariant
from app.jobs.lifecycle import CRASHED
from app.models import Status

# How late what the reapers do may be: they look every second.
_END_SECONDS = 60.0
_RECOVER_SECONDS = 15.0
_CANCEL_SECONDS = 15.0
_HEED_SECONDS = 5.0
# How often a wake-up has been sent by then.
_WAKE_UPS = 5
# PostgreSQL dates a statement before it waits for a row's lock: of two, the later one may say it was earlier.
_LOCK_SECONDS = 1.0

_PAUSES = frozenset({Status.WAITING, Status.REQUIRES_ACTION})

Rule = Callable[[Row, Moment], Iterator[str]]


def _in_time(row: Row, at: Moment) -> Iterator[str]:
    """An active reply whose time to end, to be woken or to be recovered is over."""
    held = row.status is Status.PROCESSING
    asleep = row.status is Status.PENDING and not row.blocked
    cases = (
        ("has not ended, its deadline is over", row.deadline_at, _END_SECONDS, held or asleep),
        ("waits and is not woken, its time has come", row.wake_at, _END_SECONDS, row.status is Status.WAITING),
        ("is pending and nobody sends its wake-up, which was due", row.next_publish_at, _END_SECONDS, asleep),
        (
            "asks for something that nobody gave in time, and has not ended",
            row.action_expires_at,
            _END_SECONDS,
            row.status is Status.REQUIRES_ACTION,
        ),
        ("is held by a worker whose lease has lapsed", row.lease_expires_at, _RECOVER_SECONDS, held),
    )
    for what, since, seconds, applies in cases:
        late = at.late(since, seconds) if applies and since is not None else None
        if late is not None:
            yield f"{what}: {late:.0f} s too late"


def _claimed(row: Row, at: Moment) -> Iterator[str]:
    """A reply that is ready while workers have room; asked only where it is known that no fault lasts."""
    if row.status is not Status.PENDING or row.blocked or row.crashes or at.faults_ended is None or not at.has_room:
        return  # one that has crashed may wait for a process of its own
    if row.attempts and row.attempts[-1].outcome in _PAUSES:
        return  # nobody knows since when it waits no longer
    if not row.attempts and (row.publishes or 0) < _WAKE_UPS:
        return  # it may have been accepted for later, and that is now
    ends = [row.after_finished_at, *(attempt.ended_at for attempt in row.attempts)]
    ready = max(row.created_at, *(moment for moment in ends if moment is not None), row.created_at)
    late = at.late(ready, _END_SECONDS)
    if late is not None:
        yield f"is ready and workers have room, but none claims it: {late:.0f} s too late"


def _announced(row: Row, at: Moment) -> Iterator[str]:
    """An end that readers were never told of."""
    if row.ended and row.finished_at is not None and row.announced_at is None and at.has_redis:
        late = at.late(row.finished_at, _END_SECONDS)
        if late is not None:
            yield f"ended, but its last event was never sent: {late:.0f} s too late"


def _ended_whole(row: Row, _: Moment) -> Iterator[str]:
    """All that an end writes is there, and nothing that an end clears."""
    wrong = {
        "has no finished_at": row.finished_at is None,
        "has no completed_at": row.completed_at is None,
        "has no finish_reason": row.finish_reason is None,
        "still has a checkpoint": bool(row.has_checkpoint),
        "still names a lease": row.lease_id is not None,
        "still has a wake_at": row.wake_at is not None,
        "has an error": row.has_error and row.status is not Status.FAILED,
        "has no error": not row.has_error and row.status is Status.FAILED,
        "has finish_reason cancelled": (row.finish_reason == "cancelled") is not (row.status is Status.CANCELLED),
    }
    if row.ended:
        yield from (f"is {row.status} but {what}" for what, is_so in wrong.items() if is_so)


def _active_whole(row: Row, _: Moment) -> Iterator[str]:
    """Nothing of an end is there before the end."""
    wrong = {
        "has a finished_at": row.finished_at is not None,
        "has a completed_at": row.completed_at is not None,
        "has a finish_reason": row.finish_reason is not None,
        "has its content already": not row.is_empty,
        "names a lease": row.lease_id is not None and row.status is not Status.PROCESSING,
        "has no wake_at": row.wake_at is None and row.status is Status.WAITING,
        "has a wake_at": row.wake_at is not None and row.status is not Status.WAITING,
    }
    if row.status is not None and not row.ended:
        yield from (f"is {row.status} but {what}" for what, is_so in wrong.items() if is_so)


def _has_job(row: Row, _: Moment) -> Iterator[str]:
    """A reply without a job is complete; an empty one has lost its job."""
    if row.role == "assistant" and row.job_id is None and row.is_empty:
        yield "is an empty reply without a job"
    if row.role != "assistant" and row.job_id is not None:
        yield f"is a {row.role}'s message with a job"


def _counted(row: Row, _: Moment) -> Iterator[str]:
    """Each claim is one row of attempts, closed unless it runs; crashes are those that say so."""
    numbers = [attempt.number for attempt in row.attempts]
    if row.status is None:
        return
    if numbers != list(range(1, (row.attempt or 0) + 1)):
        yield f"is at attempt {row.attempt}, but its attempts are {numbers}"
    running = row.attempt if row.status is Status.PROCESSING else None
    for attempt in row.attempts:
        if (attempt.ended_at is None or attempt.outcome is None) is not (attempt.number == running):
            yield f"is {row.status}, but its attempt {attempt.number} is {attempt.outcome or 'open'}"
    crashed = sum(attempt.outcome == CRASHED for attempt in row.attempts)
    if crashed != row.crashes:
        yield f"counts {row.crashes} crashes, but {crashed} of its attempts crashed"
    waited = sum(attempt.outcome == Status.WAITING for attempt in row.attempts)
    if (row.waits or 0) > waited:
        yield f"counts {row.waits} waits for its provider, but {waited} of its attempts waited for anything"
    if row.status is Status.COMPLETED and row.attempts and row.attempts[-1].outcome != Status.COMPLETED:
        yield f"is completed, but its last attempt {row.attempts[-1].outcome}"


def _one_after_another(row: Row, _: Moment) -> Iterator[str]:
    """An attempt begins after the one before it has ended, and nothing of it is stored later."""
    starts = {attempt.number: attempt.started_at for attempt in row.attempts}
    for one, next_ in pairwise(row.attempts):
        if one.ended_at is None or next_.started_at < one.ended_at:
            yield f"attempt {next_.number} began before attempt {one.number} had ended"
    for step in row.steps:
        if step.attempt not in starts:
            yield f"has a step of attempt {step.attempt}, which it never had"
        elif step.completed_at > starts.get(step.attempt + 1, step.completed_at):
            yield f"a step of attempt {step.attempt} was stored after attempt {step.attempt + 1} was claimed"


def _step_by_step(row: Row, _: Moment) -> Iterator[str]:
    """What is committed stays, and a later attempt goes on after it."""
    numbers = [step.number for step in row.steps]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"its steps are {numbers}"
    if any(later.attempt < one.attempt for one, later in pairwise(row.steps)):
        yield f"its steps were written by attempts {[step.attempt for step in row.steps]}"
    if row.keeps_settled is False:
        yield "its text does not begin with that of its committed steps"


def _cancelled(row: Row, at: Moment) -> Iterator[str]:
    """A cancel ends the reply in time; what ended in any other way was about to."""
    asked = row.cancel_requested_at
    if asked is None:
        return
    late = at.late(asked, _CANCEL_SECONDS, row.finished_at)
    if late is not None:
        ended = "ended" if row.ended else "has not ended"
        yield f"was cancelled and {ended} {late:.0f} s too late"
    if row.finished_at is not None and (asked - row.finished_at).total_seconds() > _LOCK_SECONDS:
        yield "was cancelled after it had ended"
    elif row.ended and row.status is not Status.CANCELLED:
        late = at.late(asked, _HEED_SECONDS, row.finished_at)
        if late is not None:
            yield f"was cancelled, but is {row.status}, {late + _HEED_SECONDS:.0f} s later"


def _unasked(row: Row, _: Moment) -> Iterator[str]:
    if row.status is Status.CANCELLED and row.cancel_requested_at is None:
        yield "is cancelled, but nobody asked for it"


def _turns(row: Row, _: Moment) -> Iterator[str]:
    """A reply begins after the one before it in its branch has ended."""
    if row.started_at is None:
        return
    for what, id_, ended_at in (
        ("the reply before it", row.before_id, row.before_finished_at),
        ("a job it waits for", row.after_id, row.after_finished_at),
    ):
        if id_ is not None and (ended_at is None or row.started_at < ended_at):
            until = (
                "still runs" if ended_at is None else f"ended {(ended_at - row.started_at).total_seconds():.3f} s later"
            )
            yield f"began although {what} {until}"


def _order(row: Row, _: Moment) -> Iterator[str]:
    """One that was moved below a younger message, as what steers a reply is, says so by its last change."""
    if row.parent_created_at is not None and max(row.created_at, row.updated_at) < row.parent_created_at:
        yield "is older than the message it follows"


def _own(row: Row, _: Moment) -> Iterator[str]:
    """A message, its thread, its parent and its job belong together."""
    wrong = {
        "is another user's than its thread": row.user_id != row.owner_id,
        "follows a message of another thread": row.parent_thread_id not in {None, row.thread_id},
        "has the job of another thread": row.job_thread_id not in {None, row.thread_id},
        "waits for a job of another thread": row.after_thread_id not in {None, row.thread_id},
    }
    yield from (what for what, is_so in wrong.items() if is_so)


# What only says something about replies, and what about every message.
OF_REPLIES: Mapping[Invariant, Sequence[Rule]] = {
    Invariant.G1: (_in_time, _claimed, _announced, _ended_whole, _active_whole, _counted, pause_rules.asked),
    Invariant.G3: (_one_after_another, _step_by_step),
    Invariant.G8: (_cancelled, _unasked),
    Invariant.G9: (_turns,),
}
OF_MESSAGES: Mapping[Invariant, Sequence[Rule]] = {
    Invariant.G1: (_has_job, pause_rules.steering),
    Invariant.G9: (_order,),
    Invariant.G10: (_own,),
}
