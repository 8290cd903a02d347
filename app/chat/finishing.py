"""The one finaliser: whatever ends a reply, its last transaction and its last event are made here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from app import failpoints
from app.chat import assembling, notices, outcome, snapshots
from app.chat.objects import MessageObject
from app.chat.outcome import Outcome
from app.clock import now
from app.database import reading, transaction
from app.extensions import redis, settings
from app.ids import new_id
from app.jobs import lifecycle, queue
from app.jobs.claim import Claim
from app.jobs.reaper import Abandoned
from app.llm import types as llm
from app.llm.prices import cost_in_cents
from app.models import Attempt, Job, Message, Status, Step, Thread, ToolCall
from app.stream import events, log
from app.text import printable

_TERMINAL_EVENTS = {
    Status.COMPLETED: events.COMPLETED,
    Status.FAILED: events.FAILED,
    Status.CANCELLED: events.CANCELLED,
}

DEADLINE = ("deadline_exceeded", "The reply was not finished within its time; ask again or for less.")
CRASHED = ("crashed_repeatedly", "The worker writing this reply ended unexpectedly several times; ask again.")

# What a provider names is kept as far as its column goes: it must not keep a reply from ending.
_FOREIGN_CHARS = 200

logger = structlog.get_logger(__name__)


def finish(claim: Claim, end: Outcome) -> bool:
    """End the reply that `claim` holds. False when the claim was lost: nothing was written then."""
    return _end(claim.job_id, claim.attempt, end, lambda s: lifecycle.finish(s, claim, end.status))


def end_abandoned(abandoned: Abandoned) -> None:
    """End a job that nobody works on any more, with what its last attempt is known to have written."""
    text = _known_text(abandoned.job_id)
    status = Status.CANCELLED if abandoned.why == "cancelled" else Status.FAILED
    reason = CRASHED if abandoned.why == "crashed" else DEADLINE
    end = outcome.ended_early(status, None, text, *reason)
    move = lifecycle.end_orphan if abandoned.orphaned else lifecycle.end_unowned
    _end(
        abandoned.job_id,
        abandoned.attempt,
        end,
        lambda session: move(session, abandoned.job_id, abandoned.attempt, end.status),
    )


def announce(job_id: UUID) -> bool:
    """Send the last event of an ended reply and wake what waited for it; False when Redis is away.

    Safe to repeat: the log takes only one.
    """
    with reading() as session:
        message_id = session.scalars(select(Message.id).where(Message.job_id == job_id)).one_or_none()
        message = assembling.message(session, message_id) if message_id is not None else None
        thread = session.get(Thread, message.thread_id) if message is not None else None
        shown = assembling.thread(session, thread, message) if thread is not None else None
    if message is None or shown is None:
        _mark_announced(job_id, None)
        return True
    cursor = _append_last(message)
    failpoints.hit("announced")
    if cursor is not None:
        _mark_announced(job_id, cursor)
        notices.thread_updated(shown)
    queue.publish_successors(job_id)
    return cursor is not None


def _mark_announced(job_id: UUID, cursor: str | None) -> None:
    with transaction() as session:
        lifecycle.mark_announced(session, job_id)
        if cursor:
            session.execute(update(Message).where(Message.job_id == job_id).values(terminal_cursor=cursor))


def _end(job_id: UUID, attempt: int, end: Outcome, move: Callable[[Session], bool]) -> bool:
    failpoints.hit("finishing")
    with transaction() as session:
        if not move(session):
            return False
        _write(session, job_id, end)
    failpoints.hit("finished")
    logger.info("reply ended", job_id=str(job_id), attempt=attempt, status=end.status.value, reason=end.finish_reason)
    announce(job_id)
    return True


def _write(session: Session, job_id: UUID, end: Outcome) -> None:
    message = session.scalars(select(Message).where(Message.job_id == job_id)).one()
    message.content = end.text
    message.finish_reason = end.finish_reason
    message.error = end.error
    message.usage_estimated = end.estimated
    if end.usage is not None:
        message.prompt_tokens = end.usage.prompt_tokens
        message.completion_tokens = end.usage.completion_tokens
        message.cached_tokens = end.usage.cached_tokens
        message.reasoning_tokens = end.usage.reasoning_tokens
        message.cost_in_cents = cost_in_cents(str(message.model_id), end.usage)
        _record_step(session, message, end)
    session.flush()
    session.execute(update(Message).where(Message.id == message.id).values(updated_at=now(), completed_at=now()))
    session.execute(update(Thread).where(Thread.id == message.thread_id).values(updated_at=now()))


def _record_step(session: Session, message: Message, end: Outcome) -> None:
    """The model call that ended here, with the tools it asked for."""
    newest = select(Attempt).where(Attempt.job_id == message.job_id).order_by(Attempt.number.desc()).limit(1)
    attempt = session.scalars(newest).one()
    step_id = new_id()
    session.execute(
        insert(Step).values(
            id=step_id,
            job_id=message.job_id,
            number=session.scalars(select(func.count()).where(Step.job_id == message.job_id)).one() + 1,
            attempt=attempt.number,
            kind="model",
            model_id=message.model_id,
            request_id=printable(end.request_id)[:_FOREIGN_CHARS] if end.request_id else None,
            text=end.text,
            finish_reason=end.finish_reason,
            prompt_tokens=message.prompt_tokens,
            completion_tokens=message.completion_tokens,
            started_at=attempt.started_at,
        )
    )
    for call in end.tool_calls:
        session.execute(insert(ToolCall).values(message_id=message.id, step_id=step_id, **_refused(call)))


def _refused(call: llm.ToolCall) -> dict[str, Any]:
    return {
        "call_id": printable(call.id)[:_FOREIGN_CHARS],
        "name": printable(call.name)[:_FOREIGN_CHARS],
        "arguments": printable(call.arguments),
        "status": "failed",
        "error": "No tool of this name was offered.",
        "completed_at": now(),
    }


def _known_text(job_id: UUID) -> str:
    """The checkpoint, lengthened by the deltas that the log holds of the same attempt."""
    with reading() as session:
        thread_id = session.scalars(select(Job.thread_id).where(Job.id == job_id)).one()
    tail = snapshots.tail(str(thread_id))
    with reading() as session:
        row = session.execute(
            select(Job.checkpoint, Job.attempt, Message.id)
            .join(Message, Message.job_id == Job.id)
            .where(Job.id == job_id)
        ).one()
    return tail.lengthen(row.checkpoint, row.attempt, str(row.id))


def _append_last(message: MessageObject) -> str | None:
    """The cursor of the last event; "" when the log holds it already, None when Redis is away."""
    event = notices.message_event(_TERMINAL_EVENTS[message.status], message)
    try:
        [cursor] = log.append(redis(), settings(), [event])
    except RedisError as error:
        logger.warning("last event not sent; the reaper will", job_id=str(message.job_id), error=type(error).__name__)
        return None
    return cursor if isinstance(cursor, str) else ""
