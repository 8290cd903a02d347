"""What test clients wrote down: one file a client, one JSON line for everything it sent or was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from app.check import json_lines
from app.check.errors import Unusable
from app.stream import events
from app.stream.events import Event


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class Opened(_Shape):
    """Who reads what, and how: `via` is sse, polling, pubsub or post, `scope` message or thread."""

    client: str
    via: str
    user_id: str | None = None
    scope: str | None = None
    id: str | None = None


class Posted(_Shape):
    """A POST and its answer; the ids are there where it was accepted. `status` is null when no answer came."""

    status: int | None = None
    idempotency_key: str | None = None
    thread_id: str | None = None
    message_id: str | None = None
    reply_id: str | None = None
    content: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether it was answered with 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """Whether it was answered that nothing was stored."""
        return self.status is not None and 400 <= self.status < 500

    @property
    def steers(self) -> bool:
        """Whether the message was given to a reply that was there before it; ids are in the order of their time."""
        return self.message_id is not None and self.reply_id is not None and self.reply_id < self.message_id


class Cancelled(_Shape):
    """A cancel and its answer."""

    message_id: str
    status: int | None = None


class Withdrawn(_Shape):
    """A message that was taken back, and the answer."""

    message_id: str
    status: int | None = None

    @property
    def accepted(self) -> bool:
        """Whether it was answered with 2xx."""
        return self.status is not None and 200 <= self.status < 300


class End(_Shape):
    """What the client had when it ended by itself."""

    texts: dict[str, str] = {}
    statuses: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Polled:
    """A message object as a poll brought it."""

    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """The client's own remark; "connected" and "cut" begin and end a connection."""

    text: str


Said = Opened | Event | Polled | Posted | Cancelled | Withdrawn | Note | End


@dataclass(frozen=True, slots=True)
class Line:
    """One line: where it stands, when (seconds since the epoch) and what it says."""

    place: str
    time: float
    said: Said


def read(path: Path) -> Iterator[Line]:
    """The lines of one file. Raises Unusable for what is no transcript."""
    for number, (place, line) in enumerate(json_lines.read(path)):
        try:
            said = _said(line)
            time = float(line["time"])
        except (ValidationError, ValueError, KeyError, TypeError, AttributeError):
            raise Unusable(f"{place} is no line of a transcript.") from None
        if isinstance(said, Opened) is not (number == 0):
            raise Unusable(f"{path} is no transcript: only its first line says what was opened.")
        yield Line(place, time, said)


def _said(line: Mapping[str, Any]) -> Said:
    """By the one member that says what kind of line it is."""
    [kind] = line.keys() & _KINDS.keys()
    return _KINDS[kind](line[kind], line.get("cursor"))


def _event(members: Mapping[str, Any], cursor: object) -> Event:
    fields = dict(members)
    type_, thread_id = str(fields.pop("type")), str(fields.pop("thread_id"))
    message_id, attempt = fields.pop("message_id", None), int(fields.pop("attempt", 0))
    if type_ in {events.DELTA, events.RESET} and not (type(fields["offset"]) is int and type(fields["text"]) is str):
        raise TypeError(type_)
    if not all(isinstance(fields[name], dict) for name in _OBJECTS.get(type_, ())):
        raise TypeError(type_)
    return Event(type_, thread_id, message_id, attempt, fields, str(cursor) if cursor is not None else None)


def _polled(message: Mapping[str, Any]) -> Polled:
    if not all(isinstance(message[name], str) for name in ("id", "thread_id", "status", "content")):
        raise TypeError("no message")
    return Polled(message)


_OBJECTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((events.CREATED, *events.TERMINAL), ("message",)),
    **dict.fromkeys((events.TOOL_STARTED, events.TOOL_COMPLETED, events.TOOL_FAILED), ("invocation",)),
    events.REQUIRES_ACTION: ("required_action",),
}
_KINDS: Mapping[str, Callable[[Any, object], Said]] = {
    "open": lambda value, _: Opened.model_validate(value),
    "event": _event,
    "polled": lambda value, _: _polled(value),
    "posted": lambda value, _: Posted.model_validate(value),
    "cancelled": lambda value, _: Cancelled.model_validate(value),
    "withdrawn": lambda value, _: Withdrawn.model_validate(value),
    "note": lambda value, _: Note(str(value)),
    "end": lambda value, _: End.model_validate(value),
}
