"""Following a thread or one reply live, or waiting for its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from redis.exceptions import RedisError

from app.chat import owning, reading, watching
from app.chat.follower import Follower
from app.chat.objects import MessageObject
from app.chat.owning import Place
from app.database import glance
from app.database import reading as reads
from app.extensions import redis
from app.models import TERMINAL
from app.stream import events, log
from app.stream.events import Event
from app.stream.hub import Hub
from app.stream.steps import Following
from app.stream.subscription import Exit, Interest


@dataclass(frozen=True, slots=True)
class Ended:
    """A reply that had ended when its stream was asked for. `last` is None when the reader has that event already."""

    last: Event | None


def reply(
    hub: Hub, user_id: UUID, credential: str, message_id: UUID, after: str | None, *, until: float | None = None
) -> Ended | Following:
    """The stream of one reply, after the cursor `after`, and no longer than `until` on the monotonic clock.

    Raises NotFound before it looks at the cursor.
    """
    with glance() as connection:
        place = owning.place(connection, user_id, message_id)
    if place.status is None or place.status in TERMINAL:
        if _is_at_end(place, message_id, after):
            return Ended(None)
        return Ended(watching.last_event(reading.get(user_id, message_id), place.terminal_cursor))
    interest = Interest(str(place.thread_id), credential)
    return Following(Follower(hub, user_id, interest, str(message_id)).steps(after, until))


def _is_at_end(place: Place, message_id: UUID, after: str | None) -> bool:
    if after is None or after in {place.terminal_cursor, events.END_CURSOR}:
        return after is not None
    return place.terminal_cursor is None and _has_told_the_end(place, message_id, after)


def _has_told_the_end(place: Place, message_id: UUID, cursor: str) -> bool:
    """The log has the end a moment before the row names its place there."""
    try:
        tail = log.read_tail(redis(), str(place.thread_id))
    except RedisError:
        return False
    return any(x.cursor == cursor and x.is_terminal and x.message_id == str(message_id) for x in tail)


def thread(
    hub: Hub,
    user_id: UUID,
    credential: str,
    thread_id: UUID,
    after: str | None,
    *,
    patience: Callable[[], float] | None = None,
    way_out: Exit | None = None,
    just_made: bool = False,
) -> Following:
    """The stream of a thread, after the cursor `after`; it goes on until the reader leaves or loses access.

    `patience` says anew, after each item, how many seconds of silence the reader bears before it is given a heartbeat.
    It also ends once the `way_out` is taken. The stream of a thread that was `just_made` tells all from its beginning.
    """
    with reads() as session:
        owning.thread(session, user_id, thread_id)
    interest = Interest(str(thread_id), credential)
    follower = Follower(hub, user_id, interest, None, patience=patience, way_out=way_out)
    return Following(follower.steps(after, just_made=just_made))


def wait(hub: Hub, user_id: UUID, credential: str, message_id: UUID, seconds: float) -> MessageObject:
    """The message once it has ended or needs somebody, or as it stands when `seconds` are over."""
    following = reply(hub, user_id, credential, message_id, None, until=time.monotonic() + seconds)
    if not isinstance(following, Ended):
        for item in following:
            if item is not None and (item.is_terminal or item.type == events.REQUIRES_ACTION):
                break
    return reading.get(user_id, message_id)
