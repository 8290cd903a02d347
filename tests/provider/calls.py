"""The log of what the provider was asked and how each connection ended."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

ID_HEADERS = ("x-request-id", "idempotency-key", "x-stainless-retry-count", "traceparent", "user-agent")


class Calls:
    """JSON lines in memory and, where a path is given, in a file that is complete after every line.

    `{"event": "request", "call", "time", "dialect", "model", "messages": [{"role", "content"}], "attached",
    "parameters", "headers"}`
    and `{"event": "closed", "call", "time", "by": "client" | "server", "tokens"}`.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lines: list[dict[str, Any]] = []
        self._changed = threading.Condition()  # reentrant: wait_for asks lines()

    def write(self, event: str, call: int, **fields: Any) -> None:
        """Add one line."""
        line = {"event": event, "call": call, "time": time.time(), **fields}
        with self._changed:
            self._lines.append(line)
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._changed.notify_all()

    def lines(self, event: str, model: str | None = None) -> list[dict[str, Any]]:
        """The lines of one kind, perhaps of one model only."""
        with self._changed:
            asked = {line["call"] for line in self._lines if model in {None, line.get("model")}}
            return [line for line in self._lines if line["event"] == event and line["call"] in asked]

    def wait_for(self, event: str, model: str, count: int = 1, seconds: float = 5) -> list[dict[str, Any]]:
        """The same once there are `count` of them; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.lines(event, model)) >= count, seconds):
                raise TimeoutError(f"not {count} times {event} of {model} within {seconds} s")
            return self.lines(event, model)
