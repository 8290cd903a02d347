"""Builds the objects from rows: a few queries, however many objects."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BindParameter, Row, bindparam, or_, select
from sqlalchemy.orm import Session

from app.chat.objects import MessageObject, ReplyError, ThreadObject, ToolInvocation
from app.models import ACTIVE, Job, Message, Status, Thread, ToolCall, among
from app.models.columns import attributes, table


class Work(NamedTuple):
    """What a message shows of its job."""

    id: UUID
    thread_id: UUID
    after_id: UUID | None
    status: Status
    attempt: int
    checkpoint: str
    wake_at: datetime | None
    deadline_at: datetime | None


# Built once, and on tables: to build a statement costs more than to send it, and to make objects of the ORM as much.
_job, _said, _call = table(Job).c, table(Message).c, table(ToolCall).c
_ids: BindParameter[list[UUID]] = bindparam("ids", expanding=True)
_WITH_WORK = select(*attributes(Message), *(_job[name].label(f"job_{name}_") for name in Work._fields)).join_from(
    table(Message), table(Job), _job.id == _said.job_id, isouter=True
)
_MESSAGES = _WITH_WORK.where(_said.id.in_(_ids))
_REPLY = _WITH_WORK.where(_said.job_id == bindparam("job"))
_INVOCATIONS = select(*attributes(ToolCall)).where(_call.message_id.in_(_ids)).order_by(_call.id)
_STATES = (
    select(_job.thread_id, _job.status).where(_job.thread_id.in_(_ids), among(_job.status, ACTIVE)).order_by(_job.id)
)


def messages(session: Session, ids: Iterable[UUID]) -> dict[UUID, MessageObject]:
    """The messages of `ids` that exist."""
    return _messages(session, session.execute(_MESSAGES, {"ids": list(ids)}).all())


def reply(session: Session, job_id: UUID) -> MessageObject | None:
    """The reply that the job has written, or None."""
    return next(iter(_messages(session, session.execute(_REPLY, {"job": job_id}).all()).values()), None)


def posted(session: Session, asked: Row[Any], answer: Row[Any], job: Row[Any]) -> tuple[MessageObject, MessageObject]:
    """A message and its pending reply, from the rows as they were just inserted."""
    positions = _positions(session, [job])
    return _message(asked, None, [], positions), _message(answer, job, [], positions)


def message(session: Session, id_: UUID) -> MessageObject | None:
    """One message, or None."""
    return messages(session, [id_]).get(id_)


def threads(session: Session, rows: Sequence[Thread | Row[Any]]) -> list[ThreadObject]:
    """The objects of `rows`, in their order."""
    last = messages(session, [row.active_message_id for row in rows if row.active_message_id is not None])
    states = _states(session, [row.id for row in rows])
    return [_thread(row, last.get(row.active_message_id) if row.active_message_id else None, states) for row in rows]


def thread(session: Session, row: Thread | Row[Any], known: MessageObject | None = None) -> ThreadObject:
    """The object of one row; a message that is `known` already is not read again, should the thread end in it."""
    if known is not None and known.id == row.active_message_id:
        return _thread(row, known, _states(session, [row.id]))
    return threads(session, [row])[0]


def thread_ending_in(row: Thread | Row[Any], last: MessageObject) -> ThreadObject:
    """The object of one row whose newest message is at hand already; asks the database nothing."""
    return _thread(row, last, {row.id: last.status})


def _messages(session: Session, rows: Sequence[Row[Any]]) -> dict[UUID, MessageObject]:
    works = {row.id: Work(*row[-len(Work._fields) :]) for row in rows if row.job_id is not None}
    tools = _invocations(session, [id_ for id_, work in works.items() if work.attempt > 0])
    positions = _positions(session, list(works.values()))
    return {row.id: _message(row, works.get(row.id), tools[row.id] or _given(row), positions) for row in rows}


def _invocations(session: Session, ids: list[UUID]) -> defaultdict[UUID, list[ToolInvocation]]:
    found: defaultdict[UUID, list[ToolInvocation]] = defaultdict(list)
    if ids:
        for call in session.execute(_INVOCATIONS, {"ids": ids}):
            found[call.message_id].append(invocation(call))
    return found


def _given(message: Row[Any]) -> list[ToolInvocation]:
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


def invocation(call: ToolCall | Row[Any]) -> ToolInvocation:
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


def _positions(session: Session, jobs: Sequence[Work | Row[Any]]) -> dict[UUID, int]:
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
    row: Row[Any], job: Work | Row[Any] | None, tools: list[ToolInvocation], positions: dict[UUID, int]
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
    return {row.thread_id: row.status for row in session.execute(_STATES, {"ids": ids})}


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
