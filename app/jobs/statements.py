"""The SQL of the transitions: the guards, and the UPDATEs that every reply makes, built once, which costs more than to
send them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Float,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import Update

from app.clock import now
from app.jobs import transitions as moves
from app.jobs.transitions import Guard, Transition
from app.models import TERMINAL, Attempt, Job, Status, WorkerLease, among
from app.models.columns import table

_job, _attempt, _lease = table(Job).c, table(Attempt).c, table(WorkerLease).c


def _unblocked() -> ColumnElement[bool]:
    nearest, farther = table(Job).alias("nearest").c, table(Job).alias("farther").c
    before = (
        select(nearest.status, nearest.started_at, nearest.after_id)
        .where(nearest.id == _job.after_id)
        .correlate(table(Job))
        .cte("before", recursive=True, nesting=True)
    )
    before = before.union_all(
        select(farther.status, farther.started_at, farther.after_id).where(
            farther.id == before.c.after_id, before.c.started_at.is_(None)
        )
    )
    return ~exists().where(~among(before.c.status, TERMINAL))


# True for a job with nothing unfinished before it in its branch. Whatever began had waited for all before it; one
# cancelled before it began hides none.
UNBLOCKED = _unblocked()
# True for a job whose lease has lapsed, or that has none.
LAPSED = ~exists().where(_lease.id == _job.lease_id, _lease.expires_at > now())
# True for a job that is being worked on under a lease that has lapsed.
ORPHANED = and_(_job.status == Status.PROCESSING, LAPSED)

# What a guard asks for is a parameter of the statement, `of_` and this name.
NAMES = {
    Guard.ATTEMPT: "attempt",
    Guard.LEASE: "lease_id",
    Guard.LIVE: "lease_id",
    Guard.FEW_CRASHES: "crashes_below",
    Guard.ACTION: "action_id",
}

_GUARDS: dict[Guard, ColumnElement[bool]] = {
    Guard.ATTEMPT: _job.attempt == bindparam("of_attempt"),
    Guard.LEASE: _job.lease_id == bindparam("of_lease_id"),
    Guard.LAPSED: LAPSED,
    Guard.LIVE: exists().where(_lease.id == bindparam("of_lease_id"), _lease.expires_at > now()),
    Guard.DUE: or_(_job.status != Status.WAITING, _job.wake_at <= now()),
    Guard.UNBLOCKED: UNBLOCKED,
    Guard.UNCANCELLED: _job.cancel_requested_at.is_(None),
    Guard.FEW_CRASHES: _job.crashes < bindparam("of_crashes_below"),
    Guard.ACTION: _job.action_id == bindparam("of_action_id"),
    Guard.IN_TIME: _job.action_expires_at > now(),
}


def moving(transition: Transition, **values: Any) -> Update:
    """The one UPDATE of a transition; who executes it gives the job, what the guards name, and what the values name."""
    assert values.keys() == transition.sets, transition.name
    entered = values.get("status")  # where it is a parameter, whoever executes it checks it
    assert isinstance(entered, BindParameter) or entered in (transition.enters or {None}), transition.name
    guards = [_GUARDS[guard] for guard in sorted(transition.guards)]
    leaves = among(_job.status, transition.leaves)
    return update(table(Job)).where(_job.id == bindparam("job"), leaves, *guards).values(**values)


_seconds, _text, _score = (
    bindparam("seconds", type_=Float),
    bindparam("text", type_=Text),
    bindparam("told", type_=Text),
)

# A score only grows: one that was taken before another was committed, or none at all, replaces nothing.
_is_older = func.length(_job.score) > func.length(_score)
_SCORED = {"score": case((_is_older, _job.score), else_=_score), "lost": case((_is_older, _job.lost), else_="")}
_NOTHING: dict[str, Any] = dict.fromkeys(("lease_id", "wake_at", "action_id", "action_expires_at"))
_ENDED = {"status": bindparam("end"), **_NOTHING, "checkpoint": "", **_SCORED, "lost": "", "finished_at": now()}

_unsettled = func.length(_job.checkpoint) - func.length(_job.settled)
CLAIM = moving(
    moves.CLAIM,
    status=Status.PROCESSING,
    attempt=_job.attempt + 1,
    lease_id=bindparam("of_lease_id"),
    wake_at=None,
    checkpoint=_job.settled,
    lost=case((_unsettled > 0, func.substr(_job.checkpoint, func.length(_job.settled) + 1)), else_=_job.lost),
    started_at=func.coalesce(_job.started_at, now()),
    deadline_at=func.coalesce(_job.deadline_at, now(_seconds + _job.more_seconds)),
).returning(
    _job.thread_id, _job.attempt, _job.request_id, _job.waits, _job.steers, _job.deadline_at, now().label("now")
)
CHECKPOINT = moving(
    moves.CHECKPOINT,
    checkpoint=case((func.length(_job.settled) > func.length(_text), _job.settled), else_=_text),
    **_SCORED,
)
SETTLE = moving(moves.SETTLE, settled=_text, checkpoint=_text, **_SCORED)
FINISH = moving(moves.FINISH, **_ENDED)
END_ORPHAN = moving(moves.END_ORPHAN, crashes=_job.crashes + 1, **_ENDED)
END_UNOWNED = moving(moves.END_UNOWNED, **_ENDED)
MARK_ANNOUNCED = moving(moves.MARK_ANNOUNCED, announced_at=now())
OPEN_ATTEMPT = insert(table(Attempt))
_claimed = CLAIM.cte("claimed")
_opened = insert(table(Attempt)).from_select(
    ["id", "job_id", "number", "lease_id", "started_at"],
    select(bindparam("opened", type_=Uuid), bindparam("job", type_=Uuid), _claimed.c.attempt)
    .add_columns(bindparam("of_lease_id", type_=Uuid), now())
    .select_from(_claimed),
)
# Both of them by one statement, where the database can.
CLAIM_AND_OPEN = select(_claimed).add_cte(_opened.cte("opened"))
CLOSE_ATTEMPT = (
    update(table(Attempt))
    .where(_attempt.job_id == bindparam("job"), _attempt.number == bindparam("of_attempt"))
    .values(ended_at=now(), outcome=bindparam("how"))
)
