"""Searching a user's own messages, for the model's tool."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app.database import reading
from app.models import Message, Thread
from app.tools.context import Found
from app.tools.errors import ToolFailed

_AROUND = 120


def search(user_id: UUID, thread_id: UUID, query: str, limit: int) -> Sequence[Found]:
    """The user's newest messages of other threads that have every word of `query`, in any case.

    Raises ToolFailed.
    """
    words = query.lower().split()[:10]
    if not words:
        return ()
    statement = (
        select(Message.id, Message.thread_id, Message.content, Message.created_at, Thread.title)
        .join(Thread, Thread.id == Message.thread_id)
        .where(Thread.user_id == user_id, Thread.deleted_at.is_(None), ~Thread.hidden, Thread.id != thread_id)
        .where(*(func.lower(Message.content).contains(word, autoescape=True) for word in words))
        .order_by(Message.id.desc())
        .limit(limit)
    )
    try:
        with reading() as session:
            rows = session.execute(statement).all()
    except SQLAlchemyError as error:
        raise ToolFailed("The search failed; try again later.") from error  # its own message would tell the SQL
    return [
        Found(str(row.thread_id), str(row.id), row.title or "", _excerpt(row.content, words[0]), row.created_at)
        for row in rows
    ]


def _excerpt(content: str, word: str) -> str:
    place = max(0, content.lower().find(word))
    start, end = max(0, place - _AROUND), place + len(word) + _AROUND
    return ("…" if start else "") + content[start:end].strip() + ("…" if end < len(content) else "")
