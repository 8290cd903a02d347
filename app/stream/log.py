"""One log per thread, a Redis Stream, and the channel that carries the same events to live readers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from app.config import Settings
from app.stream.events import Event, decode

# Fence, append, trim, expire and publish as one step that nothing can come between.
# The fence keeps the highest attempt of each reply, and "done" after its last event: neither an older attempt nor
# anything after the end gets in. Returns the new entry's cursor, or false when it was refused.
_APPEND = """
local fence = redis.call('HGET', KEYS[2], ARGV[1])
if ARGV[1] ~= '' then
  if fence == 'done' or (fence and tonumber(ARGV[2]) < tonumber(fence)) then return false end
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3] == '1' and 'done' or ARGV[2])
  redis.call('EXPIRE', KEYS[2], ARGV[6])
end
local cursor = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], '*', 'e', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('PUBLISH', ARGV[7], '{"cursor":"' .. cursor .. '",' .. string.sub(ARGV[4], 2))
return cursor
"""
_APPEND_SHA = sha1(_APPEND.encode(), usedforsecurity=False).hexdigest()

_CURSOR = re.compile(r"\d{1,20}-\d{1,20}")

START = "0-0"


class Refused(Exception):
    """A newer attempt, or the reply's end, stands in the log already."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of a thread's keys; the braces keep them on one node of a cluster."""

    thread_id: str

    @property
    def channel(self) -> str:
        """The pub/sub channel."""
        return f"thread:{{{self.thread_id}}}"

    @property
    def log(self) -> str:
        """The stream of events."""
        return f"{self.channel}:events"

    @property
    def fence(self) -> str:
        """The hash of the highest attempt of each reply."""
        return f"{self.channel}:fence"


def append(client: Redis, settings: Settings, events: Sequence[Event]) -> list[str | Refused]:
    """Append `events` in one round trip; each comes back as its cursor or as Refused.

    Raises RedisError when the outcome is unknown.
    """
    try:
        return _append(client, settings, events)
    except NoScriptError:
        # Redis was restarted empty. A missing script refuses every call of the pipeline, so nothing was appended.
        client.script_load(_APPEND)
        return _append(client, settings, events)


def _append(client: Redis, settings: Settings, events: Sequence[Event]) -> list[str | Refused]:
    pipeline = client.pipeline(transaction=False)
    for event in events:
        keys = Keys(event.thread_id)
        pipeline.evalsha(
            _APPEND_SHA,
            2,
            keys.log,
            keys.fence,
            event.message_id or "",
            event.attempt,
            int(event.is_terminal),
            event.json(),
            settings.log_events,
            settings.log_seconds,
            keys.channel,
        )
    return [Refused() if result is None else str(result) for result in pipeline.execute()]


def read(client: Redis, thread_id: str, after: str) -> list[Event] | None:
    """The events after the cursor, oldest first; None unless the log still holds exactly that entry.

    `after` may be any text a client sent. The check and the read are one transaction.
    """
    if not _CURSOR.fullmatch(after):
        return None
    log = Keys(thread_id).log
    pipeline = client.pipeline(transaction=True)
    pipeline.xrange(log, after, after)
    pipeline.xrange(log, f"({after}", "+")
    try:
        exact, rest = pipeline.execute()
    except ResponseError:  # digits, but more than a stream id can hold
        return None
    return _events(rest) if exact else None


def read_all(client: Redis, thread_id: str) -> list[Event]:
    """All that the log has, oldest first; of a thread made a moment ago that is all there was."""
    return _events(client.xrange(Keys(thread_id).log))


def read_tail(client: Redis, thread_id: str, count: int = 500) -> list[Event]:
    """The newest `count` events, oldest first: enough to reach back beyond any checkpoint of a running reply."""
    newest_first: Any = client.xrevrange(Keys(thread_id).log, count=count)
    return _events(reversed(newest_first))


def order(cursor: str) -> tuple[int, int]:
    """What to compare cursors by."""
    milliseconds, _, number = cursor.partition("-")
    return int(milliseconds), int(number)


def delete(client: Redis, thread_id: str) -> None:
    """Forget a thread's log; its readers fall back to the database."""
    keys = Keys(thread_id)
    client.delete(keys.log, keys.fence)


def _events(entries: Any) -> list[Event]:
    return [decode(fields["e"], cursor) for cursor, fields in entries]


__all__ = ["START", "Keys", "RedisError", "Refused", "append", "delete", "order", "read", "read_all", "read_tail"]
