"""What a running tool is told of the reply it works for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Found:
    """A message that a search found. `at` is when it was written, `excerpt` the part that fits."""

    thread_id: str
    message_id: str
    title: str
    excerpt: str
    at: datetime


def never() -> bool:
    """A reply that nobody cancels."""
    return False


def nothing(_query: str, _limit: int) -> Sequence[Found]:
    """A search where there is no history."""
    return ()


@dataclass(frozen=True, slots=True)
class ToolContext:
    """Plain values and two calls back.

    `now` is aware; `timezone` an IANA name; `seconds_left` what remains of the reply's deadline. `cancelled()` tells,
    from any thread, that nobody wants the result any more. `search(query, limit)` finds the user's own messages, best
    first. `allowed_hosts` are `host:port` that `fetch_url` may reach although they are private.
    """

    user_id: str
    thread_id: str
    now: datetime
    timezone: str = "UTC"
    seconds_left: float = 900.0
    cancelled: Callable[[], bool] = never
    search: Callable[[str, int], Sequence[Found]] = nothing
    allowed_hosts: frozenset[str] = field(default=frozenset())
    longest_wait_seconds: float = 86_400.0
