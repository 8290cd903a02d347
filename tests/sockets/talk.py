"""What a client of /ws does: says frames, hears frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.reader import TERMINAL, Reader

SECONDS = 15.0
UPDATED = "thread.updated"
Frame = dict[str, Any]


class Talk:
    """An open connection. `reader` has applied every event that was heard."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.reader = Reader()
        self.id = str(self.hear("connected")["connection_id"])

    def say(self, type_: str, **members: Any) -> None:
        """Send a frame."""
        self.connection.send(json.dumps({"type": type_, **members}))

    def raw(self, message: str | bytes) -> None:
        """Send anything."""
        self.connection.send(message)

    def next(self, seconds: float = SECONDS) -> Frame:
        """The next frame."""
        frame: Frame = json.loads(self.connection.recv(timeout=seconds))
        if frame["type"] not in {"connected", "error"}:
            event = dict(frame)
            cursor = event["cursor"] if event["type"] == "thread.snapshot" else event.pop("cursor")
            self.reader.apply(event, cursor)
        return frame

    def hear(self, *types: str) -> Frame:
        """The next frame, which must be of one of these types. That a thread was changed is heard only if asked for."""
        frame = self.next()
        while frame["type"] == UPDATED and UPDATED not in types:
            frame = self.next()
        assert frame["type"] in types, frame
        return frame

    def until(self, *types: str) -> list[Frame]:
        """All frames up to the first of one of these types."""
        frames = [self.next()]
        while frames[-1]["type"] not in types:
            frames.append(self.next())
        return frames

    def ended(self) -> list[Frame]:
        """All frames up to the end of a reply."""
        return self.until(*TERMINAL)

    def refused(self, type_: str, **members: Any) -> Frame:
        """Send a frame; the error that answers it."""
        self.say(type_, **members)
        return self.hear("error")

    def silent(self) -> None:
        """Nothing more is on its way: what is asked now is answered next."""
        refused = self.refused("unsubscribe", thread_id="no id", ref="are you there")
        assert refused["ref"] == "are you there"

    def closed(self, seconds: float = SECONDS) -> int | None:
        """The code with which the server ends it, whatever it says before."""
        try:
            while True:
                self.connection.recv(timeout=seconds)
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd is not None else None


@contextmanager
def talking(url: str, headers: dict[str, str] | None = None, **options: Any) -> Iterator[Talk]:
    """A connection for as long as the block lasts."""
    with connect(url, additional_headers=headers or {}, open_timeout=SECONDS, proxy=None, **options) as connection:
        yield Talk(connection)
