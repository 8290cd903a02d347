"""Events: the one shape that the log, pub/sub, SSE and listeners show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_core import from_json

CREATED = "message.created"
PROCESSING = "message.processing"
DELTA = "message.delta"
REASONING = "message.reasoning"
RESET = "message.reset"
TOOL_STARTED = "tool.started"
TOOL_COMPLETED = "tool.completed"
TOOL_FAILED = "tool.failed"
WAITING = "message.waiting"
REQUIRES_ACTION = "message.requires_action"
COMPLETED = "message.completed"
FAILED = "message.failed"
CANCELLED = "message.cancelled"
THREAD_SNAPSHOT = "thread.snapshot"
THREAD_UPDATED = "thread.updated"

TERMINAL = frozenset({COMPLETED, FAILED, CANCELLED})

# Made once: json.dumps makes one for each call that is not plain ASCII, which takes longer than the encoding.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

# The SSE id of an event that was made from the database and stands in no log.
END_CURSOR = "end"


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a thread's stream. `fields` are what its type adds; `cursor` is its place in the log, if any."""

    type: str
    thread_id: str
    message_id: str | None = None
    attempt: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict)
    cursor: str | None = None
    encoded: str = ""

    def json(self) -> str:
        """The event as clients get it, without its cursor; encoded once, however many readers there are."""
        if not self.encoded:
            object.__setattr__(self, "encoded", _encode(self))
        return self.encoded

    def at(self, cursor: str | None) -> Event:
        """The same event at `cursor`."""
        return replace(self, cursor=cursor)

    @property
    def is_terminal(self) -> bool:
        """Whether it is the last event of its reply."""
        return self.type in TERMINAL


def decode(text: str, cursor: str | None = None) -> Event:
    """The event in `text`: a log entry at `cursor`, or a pub/sub message, whose first member is its cursor."""
    members = from_json(text)  # several times as fast as json.loads, for every event of every reply
    if "cursor" in members:
        cursor = members.pop("cursor")
        text = "{" + text.partition(",")[2]
    type_, thread_id = members.pop("type"), members.pop("thread_id")
    message_id, attempt = members.pop("message_id", None), members.pop("attempt", 0)
    return Event(type_, thread_id, message_id, attempt, members, cursor, text)


def _encode(event: Event) -> str:
    members: dict[str, Any] = {"type": event.type, "thread_id": event.thread_id}
    if event.message_id is not None:
        members |= {"message_id": event.message_id, "attempt": event.attempt}
    return _ENCODER.encode(members | dict(event.fields))
