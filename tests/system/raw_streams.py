"""Streams read over sockets of their own, byte for byte."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.clients import Posted
from tests.support.reader import ENDED, TERMINAL, Reader
from tests.support.stack import until
from tests.system.scene import Scene, User

Event = tuple[dict[str, Any], str | None]


@dataclass
class Raw:
    """What a raw connection gave, up to where it was cut."""

    content: bytes = b""
    events: list[Event] = field(default_factory=list)
    whole: bool = False

    @property
    def status(self) -> int:
        """The answer's status; 0 when it was cut before that."""
        first = self.content.partition(b"\r\n")[0].split()
        return int(first[1]) if b"\r\n" in self.content else 0

    def add(self, chunk: bytes) -> None:
        """Take more bytes; only what an empty line ends is an event."""
        self.content += chunk
        blocks = self.content.partition(b"\r\n\r\n")[2].split(b"\n\n")[:-1]
        members = [dict(line.partition(": ")[::2] for line in block.decode().split("\n")) for block in blocks]
        self.events = [(json.loads(one["data"]), one.get("id")) for one in members if "data" in one]


@dataclass(frozen=True)
class Streams:
    """Opens a stream over a socket of its own; HTTP/1.0, so that the body comes as it is."""

    port: int
    key: str

    def request(self, path: str, after: str | None = None, *, header: bool = True) -> bytes:
        """The request's bytes."""
        asked = path if after is None or header else f"{path}?after={quote(after)}"
        lines = [f"GET {asked} HTTP/1.0", "Host: 127.0.0.1", f"Authorization: Bearer {self.key}"]
        lines += [f"Last-Event-ID: {after}"] if after is not None and header else []
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass")

    def read(
        self,
        path: str,
        after: str | None = None,
        *,
        most: int | None = None,
        enough: Callable[[list[Event]], bool] = lambda _: False,
        header: bool = True,
    ) -> Raw:
        """Read to the end, or `most` bytes, or until the events are enough; then hang up."""
        raw = Raw()
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as sock:
            sock.sendall(self.request(path, after, header=header))
            while (most is None or len(raw.content) < most) and not enough(raw.events):
                chunk = sock.recv(65_536 if most is None else most - len(raw.content))
                if not chunk:
                    raw.whole = True
                    break
                raw.add(chunk)
        return raw


def streams(scene: Scene, user: User) -> Streams:
    return Streams(scene.stack.port, user.key)


def stored(user: User, reply: Posted) -> dict[str, Any]:
    found: dict[str, Any] = user.client.get(f"/api/messages/{reply.id}").json()
    return found


def finished(scene: Scene, user: User, content: str = "hello", model: str = "openai/fake-t20-r50") -> Posted:
    """A reply that a watcher has seen end."""
    reply = scene.post(user, content, model=model)
    scene.watch(user, reply)
    until(lambda: stored(user, reply)["status"] in ENDED, 30, "the reply's end")
    return reply


def has_ended(events: list[Event]) -> bool:
    return any(event["type"] in TERMINAL for event, _ in events)


def is_over(events: list[Event], reply: Posted) -> bool:
    """Whether they hold its last event, or a snapshot of its thread in which it has ended."""
    known = [message for event, _ in events for message in event.get("messages", [])]
    return has_ended(events) or any(message["id"] == reply.id and message["status"] in ENDED for message in known)


def apply(reader: Reader, raw: Raw) -> str | None:
    """Apply its events; the last cursor."""
    for event, cursor in raw.events:
        reader.apply(event, cursor)
    return next((cursor for _, cursor in reversed(raw.events) if cursor is not None), None)
