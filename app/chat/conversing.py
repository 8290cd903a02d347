"""Conversations: threads whose messages are put in and taken out as items."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.chat import assembling, beginning, busy, items, locking, notices, owning, pairing, pruning, sending
from app.chat.errors import InvalidField, NotFound, ThreadBusy
from app.chat.idempotency import Answer, Once
from app.chat.items import Entry, Given
from app.chat.objects import ThreadObject
from app.chat.reading import ancestors
from app.database import reading, transaction
from app.ids import new_id
from app.models import Message

# The longest path that is listed; far more than a model is given.
_MOST = 5_000


def create(
    user_id: UUID,
    given: Sequence[Given],
    *,
    metadata: Mapping[str, Any],
    once: Once | None = None,
    render: Callable[[ThreadObject], Answer] | None = None,
) -> ThreadObject:
    """A thread that begins with these items. Raises InvalidField (items, items.<place>), Repeated or KeyReused."""
    spoken = [one.anew() for one in given if not one.says_nothing]
    ids = [new_id() for _ in spoken]
    title = next((sending.title_of(one.content) for one in spoken if one.role == "user"), None)
    with transaction() as session:
        if once is not None:
            once.claim(session)
        items.checked(session, None, given)
        thread = beginning.thread(session, user_id, ids[-1] if ids else None, title, metadata=dict(metadata))
        items.store(session, thread, None, spoken, ids)
        created = assembling.thread(session, owning.thread(session, user_id, thread.id))
        if once is not None and render is not None:
            once.keep(session, render(created))
    return created


def append(user_id: UUID, thread_id: UUID, given: Sequence[Given]) -> list[Entry]:
    """Put items below the end of the path that is shown.

    Raises NotFound, InvalidField (items, items.<place>), or ThreadBusy while a reply is unfinished there.
    """
    spoken = [one.anew() for one in given if not one.says_nothing]
    if not spoken:
        raise InvalidField("items", "must hold something that is said")
    title = next((sending.title_of(one.content) for one in spoken if one.role == "user"), None)
    with transaction() as session:
        thread = sending.touch_thread(session, user_id, thread_id, title)
        leaf = busy.make_way(session, thread_id, thread.active_message_id, "reject")
        items.checked(session, leaf, given)
        ids = items.store(session, thread, leaf, spoken)
        pairing.end_in(session, thread_id, ids[-1])
        stored = items.entries(session, ids)
    notices.messages_created(*(entry.message for entry in stored))
    return stored


def entries(user_id: UUID, thread_id: UUID, *, contents: bool = False) -> list[Entry]:
    """The path that is shown, oldest first; of a very long one the newest rows. Raises NotFound."""
    with reading() as session:
        ids = _path(session, owning.thread(session, user_id, thread_id).active_message_id)
        return items.entries(session, ids, contents=contents)


def entry(user_id: UUID, thread_id: UUID, message_id: UUID, *, contents: bool = False) -> Entry:
    """One row of that path. Raises NotFound."""
    with reading() as session:
        if message_id not in _path(session, owning.thread(session, user_id, thread_id).active_message_id):
            raise NotFound("item")
        return items.entries(session, [message_id], contents=contents)[0]


def remove(user_id: UUID, thread_id: UUID, message_id: UUID) -> ThreadObject:
    """Take one row out of that path for good; what stood below it stands below what was above.

    Raises NotFound, or ThreadBusy while a reply is unfinished there.
    """
    with transaction() as session:
        thread = locking.thread(session, user_id, thread_id)
        if message_id not in _path(session, thread.active_message_id):
            raise NotFound("item")
        if busy.unfinished(session, thread_id, thread.active_message_id):
            raise ThreadBusy
        pruning.cut(session, thread, [session.get_one(Message, message_id)])
        session.refresh(thread)
        changed = assembling.thread(session, thread)
    notices.thread_updated(changed)
    return changed


def _path(session: Session, leaf: UUID | None) -> list[UUID]:
    return ancestors(session, leaf, _MOST)[::-1]
