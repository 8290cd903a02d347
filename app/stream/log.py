"""One log per thread, a Redis Stream, and the channel that carries the same events to live readers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from app.config import Settings
from app.redis_client import sent
from app.stream.events import Event, decode

# Fence, append, trim, expire and publish as one step that nothing can come between, for each of some events.
# The fence keeps the highest attempt of each reply, and "done" after its last event: neither an older attempt nor
# anything after the end gets in. Returns for each event its new entry's cursor, or false where it was refused.
# One call for all of them: a call for each costs worker and Redis 3 to 5 % more, measured in turns.
_APPEND = """
local function append(log, fence, message, attempt, ending, event, channel)
  if message ~= '' then
    local highest = redis.call('HGET', fence, message)
    if highest == 'done' or (highest and tonumber(attempt) < tonumber(highest)) then return false end
    local reached = ending == '1' and 'done' or attempt
    if reached ~= highest then redis.call('HSET', fence, message, reached) end
    redis.call('EXPIRE', fence, ARGV[2])
  end
  local cursor = redis.call('XADD', log, 'MAXLEN', '~', ARGV[1], '*', 'e', event)
  redis.call('EXPIRE', log, ARGV[2])
  redis.call('PUBLISH', channel, '{"cursor":"' .. cursor .. '",' .. string.sub(event, 2))
  return cursor
end
local cursors = {}
for i = 1, #KEYS / 2 do
  local at = 5 * i - 2
  cursors[i] = append(KEYS[2 * i - 1], KEYS[2 * i], unpack(ARGV, at, at + 4))
end
return cursors
"""
_APPEND_SHA = sha1(_APPEND.encode(), usedforsecurity=False).hexdigest()

_CURSOR = re.compile(r"\d{1,20}-\d{1,20}")

START = "0-0"

# Redis answers nobody else while it appends so many, for some milliseconds.
_PORTION = 200


class Refused(Exception):
    """A newer attempt, or the reply's end, stands in the log already."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of a thread's keys."""

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
    """Append `events`; each comes back as its cursor or as Refused.

    Raises RedisError when the outcome is unknown.
    """
    with appending(client, settings, events) as outcomes:
        pass
    return outcomes


@contextmanager
def appending(
    client: Redis, settings: Settings, events: Sequence[Event], *, in_order: bool = False
) -> Iterator[list[str | Refused]]:
    """Append `events`, and wait for it only after the block. The list that the block is given is `append`'s, filled
    after the block. Raises RedisError, before it or after it.

    What the block sends to Redis gets there later: with `in_order` even where Redis was restarted empty.
    """
    outcomes: list[str | Refused] = []
    *earlier, last = (events[at : at + _PORTION] for at in range(0, len(events) or 1, _PORTION))
    for portion in earlier:
        outcomes += append(client, settings, portion)
    script, given = ("EVAL", _APPEND) if in_order else ("EVALSHA", _APPEND_SHA), _given(settings, last)
    try:
        with sent(client, *script, *given) as answers:
            yield outcomes
    except NoScriptError:  # Redis was restarted empty, and knows no script by its hash
        answers = [client.eval(_APPEND, *given)]
    outcomes += [Refused() if cursor is None else str(cursor) for cursor in answers[0]]


def _given(settings: Settings, events: Sequence[Event]) -> tuple[Any, ...]:
    """What the script takes: the number of its keys, its keys and its arguments."""
    keys: list[str] = []
    arguments: list[str | int] = [settings.log_events, settings.log_seconds]
    for event in events:
        names = Keys(event.thread_id)
        keys += (names.log, names.fence)
        arguments += (event.message_id or "", event.attempt, int(event.is_terminal), event.json(), names.channel)
    return len(keys), *keys, *arguments


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


__all__ = ["START", "Keys", "RedisError", "Refused", "append", "appending", "delete", "order"]
__all__ += ["read", "read_all", "read_tail"]
