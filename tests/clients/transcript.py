"""What one client saw, as JSON lines; the file is complete after every line.

The first line opens it: `{"time", "open": {"client", "via": "sse"|"websocket"|"polling"|"pubsub"|"post", "user_id",
"scope": "message"|"thread", "id"}}`. Then, in the order in which they happened:

    {"time", "cursor": "…"|null, "event": {…}}                              an event, as it was received
    {"time", "polled": {…}}                                                 a message that was read by GET
    {"time", "posted": {"status", "idempotency_key", "content", "thread_id"?, "message_id"?, "reply_id"?}}
    {"time", "cancelled": {"message_id", "status"}}
    {"time", "note": "connected"|"cut: …"|"closed"|"204"|…}                 about the connection

A client that ended by itself closes with `{"time", "end": {"texts": {id: text}, "statuses": {id: status}}}`.
All times are time.time().
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any


class Transcript:
    """Writes one file; any thread may."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, **line: Any) -> None:
        """Add a line."""
        text = json.dumps({"time": time.time(), **line}, ensure_ascii=False)
        with self._lock:
            self._file.write(text + "\n")
            self._file.flush()

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()


def lines(path: Path) -> list[dict[str, Any]]:
    """A transcript, read again."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
