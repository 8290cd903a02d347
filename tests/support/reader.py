"""A client of the event streams that does what any client should: applies events in order, and checks that it can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx2 as httpx

TERMINAL = {"message.completed", "message.failed", "message.cancelled"}


@dataclass
class Reply:
    """What a client knows of one reply."""

    text: str = ""
    attempt: int = 0
    last: dict[str, Any] | None = None
    resets: int = 0


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
        if "message_id" not in event:
            return
        reply = self.replies.setdefault(event["message_id"], Reply())
        if reply.last is not None or event["attempt"] < reply.attempt:
            return
        reply.attempt = event["attempt"]
        self._apply_to(reply, event)

    def _apply_to(self, reply: Reply, event: dict[str, Any]) -> None:
        if event["type"] == "message.reset":
            assert event["offset"] == len(event["text"])
            reply.text = event["text"]
            reply.resets += 1
        elif event["type"] == "message.delta":
            if event["offset"] > len(reply.text):
                self.gaps += 1
            else:
                reply.text = reply.text[: event["offset"]] + event["text"]
        elif event["type"] in TERMINAL:
            reply.last = event["message"]

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
        members: dict[str, str] = {}
        for line in response.iter_lines():
            if not line:
                if "data" in members:
                    event = json.loads(members["data"])
                    assert event["type"] == members["event"]
                    yield event, members.get("id")
                members = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(": ")
                members[name] = value


def follow(client: httpx.Client, path: str, after: str | None = None) -> Reader:
    """Read a stream to its end."""
    reader = Reader()
    for event, cursor in sse(client, path, after):
        reader.apply(event, cursor)
    return reader
