"""The one finaliser: whatever ends a reply, its last transaction and its last event are made here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy import bindparam, case, func, select, update
from sqlalchemy.orm import Session

from app import failpoints
from app.chat import assembling, notices, outcome, scores, steering, steps, telling
from app.chat.objects import MessageObject, ThreadObject
from app.chat.outcome import Outcome
from app.clock import now
from app.database import reading, single, transaction, writes_at_once
from app.extensions import redis, settings
from app.ids import new_id
from app.jobs import lifecycle, queue
from app.jobs.claim import Claim
from app.jobs.reaper import Abandoned
from app.jobs.statements import MARK_ANNOUNCED
from app.llm.prices import cost_in_cents
from app.llm.types import Usage
from app.models import Job, Message, Status, Step, Thread, ToolCall
from app.models.columns import attributes, table
from app.stream import events, log
from app.stream.score import Score

_TERMINAL_EVENTS = {
    Status.COMPLETED: events.COMPLETED,
    Status.FAILED: events.FAILED,
    Status.CANCELLED: events.CANCELLED,
}

_REASONS = {"crashed": outcome.CRASHED, "expired": outcome.EXPIRED}
_UNCOUNTED = dict.fromkeys(("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "cost_in_cents"))
_NEVER_BEGUN = "The reply ended before this call was begun."
_BROKEN_OFF = "The reply ended before this call did; its outcome is unknown."

# Built once, and on tables: to build a statement costs more than to send it.
_thread, _message, _job = table(Thread).c, table(Message).c, table(Job).c
_TOUCH = update(table(Thread)).where(_thread.id == bindparam("thread")).values(updated_at=now())
_ENDING = (
    select(_message.id, _message.model_id, _job.steers)
    .join_from(table(Message), table(Job), _job.id == _message.job_id)
    .where(_message.job_id == bindparam("job"))
)
_SHOWN = select(*attributes(Thread)).where(_thread.id == bindparam("thread"))
_PLACE = update(table(Message)).where(_message.job_id == bindparam("job")).values(terminal_cursor=bindparam("cursor"))
_marked = MARK_ANNOUNCED.returning(_job.id).cte("marked")
_MARK_AND_PLACE = _PLACE.where(_message.job_id == select(_marked.c.id).scalar_subquery())
# What /v1 was asked not to store is no response of it from its end on; app/chat/retention.py removes the rows.
_IS_NOT_STORED = _message.parameters["stored"].as_boolean().is_(False)
_END = (
    update(table(Message))
    .where(_message.id == bindparam("message"))
    .values(required_action=None, updated_at=now(), completed_at=now())
    .values({name: bindparam(name) for name in ("content", "finish_reason", "error", "usage_estimated", *_UNCOUNTED)})
    .values(removed_at=case((_IS_NOT_STORED, now()), else_=_message.removed_at))
)

logger = structlog.get_logger(__name__)


def finish(claim: Claim, end: Outcome, score: str | None = None) -> bool:
    """End the reply that `claim` holds; `score`, if its worker has one, ends with it.

    False when the claim was lost: nothing was written then.
    """
    told = score if score is not None else _ended(scores.left(claim.job_id).score, end)
    move = partial(lifecycle.finish, claim=claim, status=end.status, score=told)
    return _end(claim.job_id, claim.thread_id, claim.attempt, end, move)


def end_abandoned(abandoned: Abandoned) -> None:
    """End a job that nobody works on any more, with what its last attempt is known to have written."""
    left = scores.left(abandoned.job_id)
    status = Status.CANCELLED if abandoned.why == "cancelled" else Status.FAILED
    end = outcome.ended_early(status, left.text, None, *_REASONS.get(abandoned.why, outcome.DEADLINE))
    told = _ended(left.score, end)
    move = lifecycle.end_orphan if abandoned.orphaned else lifecycle.end_unowned
    _end(
        abandoned.job_id,
        _thread_id(abandoned.job_id),
        abandoned.attempt,
        end,
        lambda session: move(session, abandoned.job_id, abandoned.attempt, end.status, told),
    )


def _ended(score: Score, end: Outcome) -> str:
    return score.end(end.text, complete=scores.is_whole(end.status, end.finish_reason))


def announce(job_id: UUID) -> bool:
    """Send the last event of an ended reply and wake what waited for it; False when Redis is away.

    Safe to repeat: the log takes only one.
    """
    with reading() as session:
        ended = _ended_in(session, job_id)
        # In a thread where nothing goes on, nothing waits.
        freed = [] if ended is not None and ended[1].status == "idle" else queue.successors(session, job_id)
    if ended is None:
        _mark_announced(job_id, None)
        return True
    cursor = _tell_of_end(*ended)
    failpoints.hit("announced")
    if cursor is not None:
        _mark_announced(job_id, cursor)
    for job in freed:
        queue.publish(job.id, job.task, job.queue)
    return cursor is not None


def _ended_in(session: Session, job_id: UUID) -> tuple[MessageObject, ThreadObject] | None:
    """The ended reply and its thread; None where they were deleted."""
    message = assembling.reply(session, job_id)
    if message is None:
        return None
    thread = session.execute(_SHOWN, {"thread": message.thread_id}).one()
    return message, assembling.thread(session, thread, message)


def _mark_announced(job_id: UUID, cursor: str | None) -> None:
    with single() as session:
        if cursor and writes_at_once(session):
            session.execute(_MARK_AND_PLACE, {"job": job_id, "cursor": cursor})
            return
        if lifecycle.mark_announced(session, job_id) and cursor:
            session.execute(_PLACE, {"job": job_id, "cursor": cursor})


def _end(job_id: UUID, thread_id: UUID, attempt: int, end: Outcome, move: Callable[[Session], bool]) -> bool:
    failpoints.hit("finishing")
    with transaction() as session:
        # First, as in every transaction that has to do with a thread and a job of it: no two wait for each other.
        session.execute(_TOUCH, {"thread": thread_id})
        if not move(session):
            session.rollback()
            return False
        may_be_steered = _write(session, job_id, end)
        enqueued = steering.enqueue_steered(session, job_id) if may_be_steered else []
    failpoints.hit("finished")
    logger.info("reply ended", job_id=str(job_id), attempt=attempt, status=end.status.value, reason=end.finish_reason)
    announce(job_id)
    if enqueued:
        telling.enqueued(enqueued)
    return True


def _write(session: Session, job_id: UUID, end: Outcome) -> bool:
    """Write the end into the message; returns whether anybody has steered it."""
    message = session.execute(_ENDING, {"job": job_id}).one()
    if end.last is not None:
        ids = [new_id() for _ in end.last.tool_calls]
        steps.store(session, job_id, message.id, new_id(), end.last, ids=ids)
    usage, estimated = _spent(session, job_id, end)
    written = {"content": end.text, "finish_reason": end.finish_reason, "error": end.error}
    counted = _counted(str(message.model_id), usage) if usage is not None else {}
    session.execute(_END, {"message": message.id, "usage_estimated": estimated, **written, **_UNCOUNTED, **counted})
    if end.last is None or end.last.number > 1 or end.last.tool_calls:
        _close_calls(session, message.id, end.status)
    return bool(message.steers)


def _counted(model_id: str, usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost_in_cents": cost_in_cents(model_id, usage),
    }


def _spent(session: Session, job_id: UUID, end: Outcome) -> tuple[Usage | None, bool]:
    """What all its model calls took together, and whether any of it is an estimate; None where none was asked."""
    if end.last is not None and end.last.number == 1:
        return end.last.usage, end.last.estimated
    columns = (Step.prompt_tokens, Step.completion_tokens, Step.cached_tokens, Step.reasoning_tokens)
    sums = [func.sum(column) for column in columns]
    taken = session.execute(
        select(func.count(), func.max(case((Step.estimated, 1), else_=0)), *sums).where(
            Step.job_id == job_id, Step.kind == steps.MODEL
        )
    ).one()
    count, estimated, *tokens = taken
    return (Usage(*(int(value or 0) for value in tokens)), bool(estimated)) if count else (None, False)


def _close_calls(session: Session, message_id: UUID, status: Status) -> None:
    """No call of ours stays open in a reply that has ended: what was not begun never will be, what ran is shown as
    unknown. One that is complete but for calls that are not ours leaves those open for whoever makes them."""
    why = case((ToolCall.attempt == 0, _NEVER_BEGUN), else_=_BROKEN_OFF)
    open_ = steps.OPEN - {steps.REQUIRES_ACTION} if status is Status.COMPLETED else steps.OPEN
    closing = update(ToolCall).where(ToolCall.message_id == message_id, ToolCall.status.in_(open_))
    session.execute(closing.values(status=steps.FAILED, error=why, completed_at=now()))


def _thread_id(job_id: UUID) -> UUID:
    with reading() as session:
        return session.scalars(select(Job.thread_id).where(Job.id == job_id)).one()


def _tell_of_end(message: MessageObject, thread: ThreadObject) -> str | None:
    """The cursor of the last event; "" when the log holds it already, None when Redis is away."""
    last = notices.message_event(_TERMINAL_EVENTS[message.status], message)
    try:
        cursor, _ = log.append(redis(), settings(), [last, notices.thread_event(thread)])
    except RedisError as error:
        logger.warning("last event not sent; the reaper will", job_id=str(message.job_id), error=type(error).__name__)
        return None
    return cursor if isinstance(cursor, str) else ""
