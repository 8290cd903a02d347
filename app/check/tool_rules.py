"""What must hold of each tool call: begun once unless it may be repeated, and never left without an outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from app.check import tool_calls
from app.check.database import Moment
from app.check.rows import Progress
from app.check.tool_calls import Called
from app.check.verdict import Invariant, Ledger
from app.jobs.lifecycle import CRASHED, HANDED_OVER
from app.models import Status

_CANCEL_SECONDS = 5.0
# In which states of a job a call may be open so. Where an attempt was lost, the next one sees to what it had begun.
_STATES: Mapping[str, frozenset[Status]] = {
    "pending": frozenset({Status.PENDING, Status.PROCESSING, Status.WAITING, Status.REQUIRES_ACTION}),
    "processing": frozenset({Status.PROCESSING}),
    "waiting": frozenset({Status.WAITING, Status.PENDING, Status.PROCESSING}),
    "requires_action": frozenset({Status.REQUIRES_ACTION}),
}
_LOST = frozenset({CRASHED, HANDED_OVER})

Rule = Callable[[Called, Moment], Iterator[str]]


def check(ledger: Ledger, at: Moment, progress: Progress) -> None:
    """G7, and of G8 that a cancel lets no call begin."""
    ledger.examined(Invariant.G7, "tool calls", 0)
    for page in tool_calls.pages(progress):
        ledger.examined(Invariant.G7, "tool calls", len(page))
        for call in page:
            for invariant, rules in RULES.items():
                for what in (what for rule in rules for what in rule(call, at)):
                    ledger.violated(invariant, str(call.message_id), f"its call {call.id} of {call.name} {what}")


def _closed(call: Called, _: Moment) -> Iterator[str]:
    """No call stays open in a reply that has ended, or behind a later step, but for what is not ours to make."""
    if call.is_open and call.is_over and not call.is_handed_out:
        yield f"is {call.status} although the reply has ended"
    elif call.is_open and not call.is_newest:
        yield f"is {call.status} although a later step is stored"


def _in_its_state(call: Called, _: Moment) -> Iterator[str]:
    """How a call is open agrees with what its reply does."""
    if call.is_over or not call.is_open or call.job_status in _STATES.get(call.status, ()):
        return
    if call.is_foreign and call.status == "requires_action":
        return  # left to whoever asked for the reply, which is about to end
    last = call.attempts[-1].outcome if call.attempts else None
    if not (call.status == "processing" and call.job_status is Status.PENDING and last in _LOST):
        yield f"is {call.status} in a reply that is {call.job_status}"


def _whole(call: Called, _: Moment) -> Iterator[str]:
    wrong = {
        f"is {call.status} without a completed_at": not call.is_open and call.completed_at is None,
        f"is {call.status} with a completed_at": call.is_open and call.completed_at is not None,
        "was begun without a started_at": call.attempt > 0 and call.started_at is None,
        "has a started_at, but no attempt that began it": call.attempt == 0 and call.started_at is not None,
        "is completed, but was never begun": call.status == "completed" and call.attempt == 0,
        "is completed without a result": call.status == "completed" and not call.has_result,
        "failed without an error": call.status == "failed" and not call.has_error,
        "is processing, but was never begun": call.status == "processing" and call.attempt == 0,
    }
    yield from (what for what, is_so in wrong.items() if is_so)


def _ours(call: Called, _: Moment) -> Iterator[str]:
    """What is for whoever asked for the reply to make is not made here."""
    if call.is_foreign and (call.attempt or call.has_result):
        yield "is not ours to make, and was begun"


def _attempted(call: Called, _: Moment) -> Iterator[str]:
    """An attempt that the job had, and had not had before the call was asked for, began it."""
    if call.step_job_id != call.job_id and call.job_id is not None:
        yield "belongs to a step of another reply"
    numbers = [each.number for each in call.attempts]
    if call.attempt and (call.attempt > (call.job_attempt or 0) or call.attempt not in numbers):
        yield f"was begun by attempt {call.attempt} of {call.job_attempt}"
    elif call.attempt and call.attempt < call.step_attempt:
        yield f"was begun by attempt {call.attempt}, but asked for by attempt {call.step_attempt}"


def _once(call: Called, _: Moment) -> Iterator[str]:
    """Who began what may not be repeated must have told its outcome too; else nobody knows it."""
    after, ended = call.next_attempt_at, call.completed_at
    if call.idempotent or call.status != "completed" or after is None or ended is None:
        return
    if ended > after:
        yield f"may not be repeated, was begun by attempt {call.attempt} and completed by a later one"


def _after_cancel(call: Called, at: Moment) -> Iterator[str]:
    if call.cancel_requested_at is not None and call.started_at is not None:
        late = at.late(call.cancel_requested_at, _CANCEL_SECONDS, call.started_at)
        if late is not None:
            yield f"began {late + _CANCEL_SECONDS:.1f} s after the cancel"


RULES: Mapping[Invariant, Sequence[Rule]] = {
    Invariant.G7: (_closed, _in_its_state, _whole, _ours, _attempted, _once),
    Invariant.G8: (_after_cancel,),
}
