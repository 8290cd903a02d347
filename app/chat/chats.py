"""Chats: threads under names that a client chose, each user's by themselves. The name alone tells the thread."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Unpack
from uuid import UUID, uuid5

from sqlalchemy.exc import IntegrityError

from app.chat import responding, threads
from app.chat.errors import NotFound
from app.chat.objects import Sent, ThreadObject
from app.chat.responding import Asked
from app.chat.sending import Origin
from app.ids import parse_id


def find(user_id: UUID, name: str) -> ThreadObject | None:
    """The user's thread with this id, or else the one that was begun under this name; None where there is none."""
    for thread_id in (parse_id(name), _named(user_id, name)):
        if thread_id is not None:
            with suppress(NotFound):
                return threads.get(user_id, thread_id)
    return None


def begin(user_id: UUID, name: str, asked: Asked, **origin: Unpack[Origin]) -> Sent:
    """The first reply of a chat, with its thread; in that of somebody who was quicker, as what comes next there.

    Raises NotFound where the chat was deleted, and what `responding.respond` raises; then nothing is stored.
    """
    try:
        return responding.respond(user_id, replace(asked, begin_id=_named(user_id, name)), **origin)
    except IntegrityError:
        found = find(user_id, name)
    if found is None:
        raise NotFound("thread")
    return responding.respond(user_id, replace(asked, thread_id=found.id), **origin)


def _named(user_id: UUID, name: str) -> UUID:
    """Nothing is stored for a name: whoever has it, and is the same user, comes to the same id."""
    return uuid5(user_id, name)
