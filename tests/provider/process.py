"""The fake provider as a process of its own, which outlives, and is not slowed by, whatever the test does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.support.copy import ROOT
from tests.support.stack import until


class ProviderProcess:
    """Runs between `with` and its end; every request and every end is a line of `calls`."""

    def __init__(self, calls: Path) -> None:
        self.calls = calls
        self.url = ""
        calls.touch()

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.provider", "--port", "0", "--calls", str(self.calls)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http"), "the fake provider did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.communicate(timeout=10)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def lines(self, event: str, model: str | None = None) -> list[dict[str, Any]]:
        """The lines of one kind ("request", "closed"), perhaps of one model only (without "openai/")."""
        found = [json.loads(line) for line in self.calls.read_text(encoding="utf-8").split("\n")[:-1]]
        asked = {line["call"] for line in found if model in {None, line.get("model")}}
        return [line for line in found if line["event"] == event and line["call"] in asked]

    def wait_for(
        self, event: str, model: str | None = None, count: int = 1, seconds: float = 15
    ) -> list[dict[str, Any]]:
        """The same once there are `count` of them."""
        until(lambda: len(self.lines(event, model)) >= count, seconds, f"{count} times {event} of {model}")
        return self.lines(event, model)
