"""Reading messages: one, or the path of a thread that is shown."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Integer, bindparam, literal, select
from sqlalchemy.orm import Session

from app.chat import assembling, owning
from app.chat.errors import InvalidField, NotFound
from app.chat.objects import MessageObject
from app.chat.paging import Page
from app.database import reading
from app.ids import parse_id
from app.models import Message
from app.models.columns import table

_message = table(Message).c


def upwards(leaf: ColumnElement[bool]) -> CTE:
    """The message for which `leaf` holds, at depth 1, and what it answers: the parameter `most` of them at most."""
    first = select(_message.id, _message.parent_id, literal(1).label("depth")).where(leaf)
    up = first.cte(recursive=True)
    further = select(_message.id, _message.parent_id, up.c.depth + 1).join(up, _message.id == up.c.parent_id)
    return up.union_all(further.where(up.c.depth < bindparam("most", type_=Integer)))


# Built once: to build a statement costs more than to send it.
_up = upwards(_message.id == bindparam("leaf"))
_ANCESTORS = select(_up.c.id).order_by(_up.c.depth)


def get(user_id: UUID, message_id: UUID) -> MessageObject:
    """One message. Raises NotFound."""
    with reading() as session:
        found = assembling.message(session, owning.message(session, user_id, message_id).id)
    if found is None:
        raise NotFound("message")
    return found


def path(user_id: UUID, thread_id: UUID, *, limit: int, cursor: str | None) -> Page[MessageObject]:
    """The newest page of the active path, oldest first; `next_cursor` leads to the page before it."""
    with reading() as session:
        thread = owning.thread(session, user_id, thread_id)
        leaf = thread.active_message_id if cursor is None else _place(session, thread_id, cursor)
        ids = ancestors(session, leaf, limit + 1)
        found = assembling.messages(session, ids[:limit])
    items = [found[id_] for id_ in reversed(ids[:limit])]
    return Page(items, str(ids[limit]) if len(ids) > limit else None)


def tree(user_id: UUID, thread_id: UUID, *, limit: int, cursor: str | None) -> Page[MessageObject]:
    """Every message of the thread, siblings included, oldest first."""
    with reading() as session:
        owning.thread(session, user_id, thread_id)
        statement = select(Message.id).where(Message.thread_id == thread_id).order_by(Message.id).limit(limit + 1)
        if cursor is not None:
            statement = statement.where(Message.id >= _place(session, thread_id, cursor))
        ids = list(session.scalars(statement))
        found = assembling.messages(session, ids[:limit])
    return Page([found[id_] for id_ in ids[:limit]], str(ids[limit]) if len(ids) > limit else None)


def ancestors(session: Session, leaf: UUID | None, limit: int) -> list[UUID]:
    """`leaf` and what it answers, upwards, `limit` at most: what a branch costs does not grow with the thread."""
    if leaf is None:
        return []
    return list(session.scalars(_ANCESTORS, {"leaf": leaf, "most": limit}))


def _place(session: Session, thread_id: UUID, cursor: str) -> UUID:
    """The message a page begins with. Raises InvalidField for a cursor of another list or of garbage."""
    message_id = parse_id(cursor)
    known = select(Message.id).where(Message.id == message_id, Message.thread_id == thread_id)
    if message_id is None or session.scalars(known).first() is None:
        raise InvalidField("cursor", "is no cursor of this list; use next_cursor as it was given")
    return message_id
