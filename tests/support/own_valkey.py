"""A Valkey that one test may freeze, kill and start again; other tests share one that they leave alone."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack


class OwnValkey(Stack):
    """One Valkey, and what can happen to it."""

    def freeze(self) -> None:
        """Let it answer nothing, with its connections open."""
        self.processes["valkey"].send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.processes["valkey"].send_signal(signal.SIGCONT)

    def lose(self) -> None:
        """Kill it, and what it kept."""
        self.kill("valkey")
        shutil.rmtree(self.folder / "valkey", ignore_errors=True)


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[OwnValkey]:
    folder = tmp_path / "own"
    folder.mkdir()
    valkey = OwnValkey(folder, "", {})
    try:
        valkey.start_valkey()
        yield valkey
    finally:
        valkey.end()
