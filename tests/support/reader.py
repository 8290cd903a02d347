"""A client of the event streams that does what any client should: applies events in order, and checks that it can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx2 as httpx

TERMINAL = {"message.completed", "message.failed", "message.cancelled"}
ENDED = {"completed", "failed", "cancelled"}
STATES = {
    "message.processing": "processing",
    "message.waiting": "waiting",
    "message.requires_action": "requires_action",
}


@dataclass
class Reply:
    """What a client knows of one reply."""

    text: str = ""
    attempt: int = 0
    last: dict[str, Any] | None = None
    resets: int = 0
    status: str = "pending"

    @property
    def whole(self) -> str:
        """What to show: the last event's text replaces what was put together."""
        return str(self.last["content"]) if self.last is not None else self.text


@dataclass
class Reader:
    """Applies events; `gaps` counts deltas that did not join."""

    replies: dict[str, Reply] = field(default_factory=dict)
    cursors: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    gaps: int = 0

    def apply(self, event: dict[str, Any], cursor: str | None) -> None:
        """Take one event."""
        self.types.append(event["type"])
        if cursor is not None:
            self.cursors.append(cursor)
        for message in event["messages"] if event["type"] == "thread.snapshot" else ():
            self.adopt(message)
        if "message_id" not in event:
            return
        reply = self._current(event["message_id"], event["attempt"])
        if reply is not None:
            self._apply_to(reply, event)

    def adopt(self, message: dict[str, Any]) -> None:
        """Take a message that was read whole, in a snapshot or by GET."""
        reply = self._current(message["id"], message["attempt"]) if message["role"] == "assistant" else None
        if reply is not None:
            reply.text, reply.status = message["content"], message["status"]
            reply.last = message if message["status"] in ENDED else None

    def _current(self, message_id: str, attempt: int) -> Reply | None:
        """What is known of the reply, unless it has ended or a newer attempt is writing it."""
        reply = self.replies.setdefault(message_id, Reply())
        if reply.last is not None or attempt < reply.attempt:
            return None
        if attempt > reply.attempt:
            reply.attempt, reply.text = attempt, ""
        return reply

    def _apply_to(self, reply: Reply, event: dict[str, Any]) -> None:
        reply.status = STATES.get(event["type"], reply.status)
        if event["type"] == "message.reset":
            assert event["offset"] == len(event["text"])
            reply.text = event["text"]
            reply.resets += 1
        elif event["type"] == "message.delta":
            self._join(reply, event["offset"], event["text"])
        elif event["type"] in TERMINAL:
            reply.last, reply.status = event["message"], event["message"]["status"]

    def _join(self, reply: Reply, offset: int, text: str) -> None:
        """Add a delta; one that ends within the text, as after a snapshot, brings nothing."""
        if offset > len(reply.text):
            self.gaps += 1
        elif offset + len(text) > len(reply.text):
            reply.text = reply.text[:offset] + text

    @property
    def ordered(self) -> bool:
        """Whether cursors only ever grew."""
        places = [tuple(map(int, cursor.split("-"))) for cursor in self.cursors if cursor != "end"]
        return all(a < b for a, b in pairwise(places))


def sse(client: httpx.Client, path: str, after: str | None = None) -> Iterator[tuple[dict[str, Any], str | None]]:
    """The events of a stream with their ids, until the server closes it."""
    headers = {"Last-Event-ID": after} if after is not None else {}
    with client.stream("GET", path, headers=headers, timeout=60) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield from events_in(response)


def events_in(response: httpx.Response) -> Iterator[tuple[dict[str, Any], str | None]]:
    """The events in an open stream's body. Only a line feed ends a line: text may hold other separators."""
    members: dict[str, str] = {}
    rest = b""
    for chunk in response.iter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line and not line.startswith(b":"):
                name, _, value = line.decode().partition(": ")
                members[name] = value
            elif not line:
                if "data" in members:
                    event = json.loads(members["data"])
                    assert event["type"] == members["event"]
                    yield event, members.get("id")
                members = {}


def follow(client: httpx.Client, path: str, after: str | None = None) -> Reader:
    """Read a stream to its end."""
    reader = Reader()
    for event, cursor in sse(client, path, after):
        reader.apply(event, cursor)
    return reader
