"""Rows by the thousand, written past the app: long threads and long lists, as a year of use would leave them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, create_engine, insert, select

from app.ids import new_id
from app.models import Message, Thread, User

TEXT = "Some rivers are long, and some are wide; most of them are both in their own time. "


@contextmanager
def writing(url: str) -> Iterator[Connection]:
    """A transaction on the database at `url`."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def owner(connection: Connection, email: str) -> UUID:
    """The id of a user."""
    return connection.execute(select(User.id).where(User.email == email)).scalars().one()


def threads(connection: Connection, user_id: UUID, number: int) -> list[str]:
    """So many threads, one a minute, with one message each; their ids."""
    moments = _moments(number)
    ids, said = [new_id() for _ in moments], [new_id() for _ in moments]
    connection.execute(
        insert(Thread),
        [
            {"id": id_, "user_id": user_id, "title": "Rivers", "active_message_id": message, **times}
            for id_, message, times in zip(ids, said, moments, strict=True)
        ],
    )
    connection.execute(
        insert(Message),
        [
            {"id": message, "thread_id": id_, "user_id": user_id, "role": "user", "content": TEXT, **times}
            for id_, message, times in zip(ids, said, moments, strict=True)
        ],
    )
    return [str(id_) for id_ in ids]


def messages(connection: Connection, user_id: UUID, number: int) -> str:
    """A thread with so many messages, each the answer to the one before; its id."""
    thread_id, ids = new_id(), [new_id() for _ in range(number)]
    moments = _moments(number)
    connection.execute(
        insert(Thread), [{"id": thread_id, "user_id": user_id, "active_message_id": ids[-1], **moments[-1]}]
    )
    connection.execute(
        insert(Message),
        [
            {
                "id": id_,
                "thread_id": thread_id,
                "user_id": user_id,
                "parent_id": ids[n - 1] if n else None,
                "role": "assistant" if n % 2 else "user",
                "content": TEXT,
                **moments[n],
            }
            for n, id_ in enumerate(ids)
        ],
    )
    return str(thread_id)


def _moments(number: int) -> list[dict[str, Any]]:
    """The times of so many rows, a minute apart, the last a minute ago."""
    now = datetime.now(UTC)
    times = [now - timedelta(minutes=number - n) for n in range(number)]
    return [{"created_at": time, "updated_at": time} for time in times]
