"""Threads: making, listing, changing and deleting them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, insert, or_, select, update
from sqlalchemy.orm import Session

from app.chat import assembling, cancelling, locking, notices, owning
from app.chat.errors import InvalidField, NotFound
from app.chat.idempotency import Answer, Once
from app.chat.objects import ThreadObject
from app.chat.paging import Page, Place
from app.clock import now
from app.database import reading, transaction
from app.ids import new_id
from app.jobs import lifecycle
from app.models import ACTIVE, Job, Message, Status, Thread

Order = Literal["last_activity", "created_at"]


def create(
    user_id: UUID,
    *,
    title: str | None,
    metadata: dict[str, Any],
    settings: dict[str, Any],
    once: Once | None,
    render: Callable[[ThreadObject], Answer],
) -> ThreadObject:
    """A new empty thread. Raises Repeated for a request that was answered before."""
    with transaction() as session:
        if once is not None:
            once.claim(session)
        thread_id = new_id()
        session.execute(
            insert(Thread).values(id=thread_id, user_id=user_id, title=title, meta=metadata, settings=settings)
        )
        created = assembling.thread(session, owning.thread(session, user_id, thread_id))
        if once is not None:
            once.keep(session, render(created))
    return created


def get(user_id: UUID, thread_id: UUID) -> ThreadObject:
    """One thread. Raises NotFound."""
    with reading() as session:
        return assembling.thread(session, owning.thread(session, user_id, thread_id))


def page(
    user_id: UUID, *, limit: int, cursor: str | None, order: Order, archived: bool, status: str | None
) -> Page[ThreadObject]:
    """The user's threads but the hidden ones, newest first by `order`.

    `status`: only those whose newest active reply has it, or "idle".
    """
    column = Thread.created_at if order == "created_at" else Thread.updated_at
    statement: Select[Thread] = (
        select(Thread)
        .where(Thread.user_id == user_id, Thread.deleted_at.is_(None), ~Thread.hidden)
        .where(Thread.archived_at.is_not(None) if archived else Thread.archived_at.is_(None))
        .order_by(column.desc(), Thread.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        place = Place.unseal(cursor)
        statement = statement.where(or_(column < place.moment, and_(column == place.moment, Thread.id < place.id)))
    if status is not None:
        statement = statement.where(_has_status(status))
    with reading() as session:
        rows = list(session.scalars(statement))
        items = assembling.threads(session, rows[:limit])
    more = rows[limit - 1] if len(rows) > limit else None
    moment = None if more is None else (more.created_at if order == "created_at" else more.updated_at)
    return Page(items, Place(moment, more.id).seal() if more is not None and moment is not None else None)


def asking(thread_ids: Iterable[UUID]) -> set[UUID]:
    """Those of the threads in which somebody is asked for something, whatever else waits there."""
    asked = select(Job.thread_id).where(Job.thread_id.in_(list(thread_ids)), Job.status == Status.REQUIRES_ACTION)
    with reading() as session:
        return set(session.scalars(asked))


def change(user_id: UUID, thread_id: UUID, changes: dict[str, Any]) -> ThreadObject:
    """Set title, metadata, settings, archived or active_message_id, whichever `changes` has.

    Settings are changed one by one; one set to null falls back to the user's preference.
    """
    values: dict[str, Any] = {"title": changes["title"]} if "title" in changes else {}
    if "metadata" in changes:
        values["meta"] = changes["metadata"]
    if "archived" in changes:
        values["archived_at"] = now() if changes["archived"] else None
    with transaction() as session:
        thread = locking.thread(session, user_id, thread_id)
        if "settings" in changes:
            merged = thread.settings | changes["settings"]
            values["settings"] = {name: value for name, value in merged.items() if value is not None}
        if "active_message_id" in changes:
            values["active_message_id"] = _leaf(session, thread_id, changes["active_message_id"])
        if values:
            session.execute(update(Thread).where(owning.owned(user_id, thread_id)).values(**values))
        changed = assembling.thread(session, owning.thread(session, user_id, thread_id))
    notices.thread_updated(changed)
    return changed


def delete(user_id: UUID, thread_id: UUID) -> None:
    """Hide the thread at once and cancel what runs in it; its streams close, and maintenance removes the rows."""
    with transaction() as session:
        hidden = session.execute(
            update(Thread).where(owning.owned(user_id, thread_id)).values(deleted_at=now()).returning(Thread.id)
        ).one_or_none()
        if hidden is None:
            raise NotFound("thread")
        for job_id in session.scalars(select(Job.id).where(Job.thread_id == thread_id, Job.status.in_(ACTIVE))).all():
            lifecycle.request_cancel(session, job_id)
    cancelling.carry_out(thread_id)


def _has_status(status: str) -> ColumnElement[bool]:
    active = select(Job.status).where(Job.thread_id == Thread.id, Job.status.in_(ACTIVE)).correlate(Thread)
    if status == "idle":
        return ~active.exists()
    if status not in {state.value for state in ACTIVE}:
        raise InvalidField("status", f"must be idle or one of {', '.join(sorted(ACTIVE))}")
    return active.order_by(Job.id.desc()).limit(1).scalar_subquery() == Status(status)


def _leaf(session: Session, thread_id: UUID, message_id: UUID) -> UUID:
    known = select(Message.id).where(Message.id == message_id, Message.thread_id == thread_id)
    found = session.scalars(known.where(Message.steers_job_id.is_(None))).first()  # one that steers has no place yet
    if found is None:
        raise InvalidField("active_message_id", "is no message of this thread")
    return found
