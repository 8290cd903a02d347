"""Builds the objects from rows: a few queries, however many objects."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, or_, select
from sqlalchemy.orm import Session

from app.chat.objects import MessageObject, ReplyError, ThreadObject, ToolInvocation
from app.models import ACTIVE, Job, Message, Status, Thread, ToolCall

# Built once: to build a statement costs more than to send it.
_MESSAGES = (
    select(Message, Job)
    .outerjoin(Job, Job.id == Message.job_id)
    .where(Message.id.in_(bindparam("ids", expanding=True)))
)
_INVOCATIONS = select(ToolCall).where(ToolCall.message_id.in_(bindparam("ids", expanding=True))).order_by(ToolCall.id)
_STATES = (
    select(Job.thread_id, Job.status)
    .where(Job.thread_id.in_(bindparam("ids", expanding=True)), Job.status.in_(ACTIVE))
    .order_by(Job.id)
)


def messages(session: Session, ids: Iterable[UUID]) -> dict[UUID, MessageObject]:
    """The messages of `ids` that exist."""
    rows = session.execute(_MESSAGES, {"ids": list(ids)}).all()
    jobs: list[Job | None] = [job for _, job in rows]  # an outer join: SQLAlchemy's types do not say so
    begun = {job.id for job in jobs if job is not None and job.attempt > 0}
    tools = _invocations(session, [message.id for message, _ in rows if message.job_id in begun])
    positions = _positions(session, [job for job in jobs if job is not None])
    return {
        message.id: _message(message, job, tools[message.id] or _given(message), positions) for message, job in rows
    }


def posted(session: Session, asked: Row[Any], reply: Row[Any], job: Row[Any]) -> tuple[MessageObject, MessageObject]:
    """A message and its pending reply, from the rows as they were just inserted."""
    positions = _positions(session, [job])
    return _message(asked, None, [], positions), _message(reply, job, [], positions)


def message(session: Session, id_: UUID) -> MessageObject | None:
    """One message, or None."""
    return messages(session, [id_]).get(id_)


def threads(session: Session, rows: Sequence[Thread]) -> list[ThreadObject]:
    """The objects of `rows`, in their order."""
    last = messages(session, [row.active_message_id for row in rows if row.active_message_id is not None])
    states = _states(session, [row.id for row in rows])
    return [_thread(row, last.get(row.active_message_id) if row.active_message_id else None, states) for row in rows]


def thread(session: Session, row: Thread, known: MessageObject | None = None) -> ThreadObject:
    """The object of one row; a message that is `known` already is not read again, should the thread end in it."""
    if known is not None and known.id == row.active_message_id:
        return _thread(row, known, _states(session, [row.id]))
    return threads(session, [row])[0]


def thread_ending_in(row: Thread | Row[Any], last: MessageObject) -> ThreadObject:
    """The object of one row whose newest message is at hand already; asks the database nothing."""
    return _thread(row, last, {row.id: last.status})


def _invocations(session: Session, ids: list[UUID]) -> defaultdict[UUID, list[ToolInvocation]]:
    found: defaultdict[UUID, list[ToolInvocation]] = defaultdict(list)
    if ids:
        for call in session.scalars(_INVOCATIONS, {"ids": ids}):
            found[call.message_id].append(invocation(call))
    return found


def _given(message: Message) -> list[ToolInvocation]:
    """The calls of a message that came with them; they are not for us to make."""
    return [
        ToolInvocation(
            id=UUID(call["id"]),
            name=call["name"],
            arguments=_arguments(call["arguments"]),
            status=Status.REQUIRES_ACTION.value,
            result=None,
            error=None,
            started_at=None,
            completed_at=None,
        )
        for call in message.calls or ()
    ]


def _arguments(written: str) -> Any:
    """As JSON; what is none is shown as the model wrote it. Such a call is never executed."""
    try:
        return json.loads(written)
    except ValueError:
        return written


def invocation(call: ToolCall) -> ToolInvocation:
    """One tool call as clients see it, with the arguments that an approver has put in place of the model's."""
    return ToolInvocation(
        id=call.id,
        name=call.name,
        arguments=_arguments(call.edited if call.edited is not None else call.arguments),
        status=call.status,
        result=call.result,
        error=call.error,
        started_at=call.started_at,
        completed_at=call.completed_at,
    )


def _positions(session: Session, jobs: Sequence[Job | Row[Any]]) -> dict[UUID, int]:
    """How many unfinished jobs stand before each queued one in its branch."""
    queued = [job for job in jobs if job.status is Status.PENDING and job.after_id is not None]
    if not queued:
        return {}
    rows = session.execute(
        select(Job.id, Job.after_id, Job.status.in_(ACTIVE).label("counts")).where(
            Job.thread_id.in_({job.thread_id for job in queued}),
            or_(Job.status.in_(ACTIVE), Job.started_at.is_(None)),
        )
    )
    before = {row.id: row for row in rows}
    return {job.id: _chain(job.after_id, before) for job in queued}


def _chain(job_id: UUID | None, before: dict[UUID, Row[UUID, UUID | None, bool]]) -> int:
    length = 0
    while job_id is not None and job_id in before:
        length += before[job_id].counts
        job_id = before[job_id].after_id
    return length


def _message(
    row: Message | Row[Any], job: Job | Row[Any] | None, tools: list[ToolInvocation], positions: dict[UUID, int]
) -> MessageObject:
    running = job is not None and job.status in ACTIVE
    counted = row.prompt_tokens is not None and row.completion_tokens is not None
    return MessageObject.model_construct(
        id=row.id,
        thread_id=row.thread_id,
        user_id=row.user_id,
        parent_id=row.parent_id,
        role=row.role,
        content=job.checkpoint if job is not None and running else row.content,
        metadata=row.meta,
        pinned=row.pinned,
        attachments=row.attachments,
        status=job.status if job is not None else Status.COMPLETED,
        job_id=row.job_id,
        model_id=row.model_id,
        tool_invocations=tools,
        finish_reason=row.finish_reason,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        total_tokens=(row.prompt_tokens or 0) + (row.completion_tokens or 0) if counted else None,
        cached_tokens=row.cached_tokens,
        reasoning_tokens=row.reasoning_tokens,
        cost_in_cents=row.cost_in_cents,
        usage_estimated=row.usage_estimated,
        attempt=job.attempt if job is not None else 0,
        wake_at=job.wake_at if job is not None else None,
        deadline_at=job.deadline_at if job is not None else None,
        required_action=row.required_action,
        error=ReplyError.model_construct(**row.error) if row.error is not None else None,
        queue_position=positions.get(job.id) or None if job is not None else None,
        created_at=row.created_at,
        updated_at=row.updated_at,
        completed_at=row.completed_at,
    )


def _states(session: Session, ids: list[UUID]) -> dict[UUID, Status]:
    """The status of the newest active job of each thread that has one."""
    if not ids:
        return {}
    return dict(session.execute(_STATES, {"ids": ids}).all())


def _thread(row: Thread | Row[Any], last: MessageObject | None, states: dict[UUID, Status]) -> ThreadObject:
    return ThreadObject.model_construct(
        id=row.id,
        user_id=row.user_id,
        title=row.title,
        metadata=row.meta,
        settings=row.settings,
        status=states.get(row.id, "idle"),
        last_message=last,
        share=None,
        created_at=row.created_at,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
    )
