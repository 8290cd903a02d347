from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask

from app.chat.workshop import Workshop
from app.cli import commands
from app.clock import now
from app.jobs.reaper import Reaper
from tests.chat.conftest import make_workshop, reaper, workshop
from tests.check.agent import Agent
from tests.check.story import Story, a_story
from tests.support import rows
from tests.support.own_valkey import own_valkey
from tests.support.shared_app import MakeApp, app, make_app, shared_app, shared_database_url, shared_settings

__all__ = [
    "MakeApp",
    "app",
    "make_app",
    "make_workshop",
    "own_valkey",
    "reaper",
    "shared_app",
    "shared_database_url",
    "shared_settings",
    "workshop",
]

OUTCOMES = ("held", "VIOLATED", "not applicable", "not observable")


@dataclass(frozen=True, slots=True)
class Report:
    """What `flask check` printed, by invariant: its outcome and the lines that stand there."""

    code: int
    stdout: str
    stderr: str

    def outcome(self, name: str) -> str:
        """ "held" and the like."""
        line = self.about(name)[0]
        return next(outcome for outcome in OUTCOMES if re.search(rf"  {outcome}(  |$)", line))

    def about(self, name: str) -> list[str]:
        """The line of one invariant, and its examples."""
        lines = self.stdout.splitlines()
        [start] = [number for number, line in enumerate(lines) if line.startswith(f"{name} ")]
        examples = [line for line in lines[start + 1 :] if not re.match(r"G\d", line)]
        after = next((n for n, line in enumerate(lines[start + 1 :]) if re.match(r"G\d", line)), len(examples))
        return [lines[start], *lines[start + 1 : start + 1 + after]]

    @property
    def violated(self) -> set[str]:
        """The violated invariants."""
        return {line.split()[0] for line in self.stdout.splitlines() if re.match(r"G\d+ .*  VIOLATED", line)}

    def says(self, name: str, what: str) -> bool:
        """Whether the invariant is violated with such an example."""
        return self.outcome(name) == "VIOLATED" and any(what in line for line in self.about(name)[1:])


Check = Callable[..., Report]


@pytest.fixture
def check(app: Flask) -> Check:
    """Runs the command on the shared application: `check("--logs", folder)`."""

    def run(*arguments: object, on: Flask = app) -> Report:
        if not on.cli.commands:
            commands.register(on)  # a worker's application has none
        done = on.test_cli_runner().invoke(args=["check", *map(str, arguments)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return Report(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def story(app: Flask) -> Story:
    """A healthy thread of three replies."""
    return a_story()


@pytest.fixture
def agent(workshop: Workshop, reaper: Reaper) -> Agent:
    """A worker with tools; another one has been there for a while."""
    rows.a_lease(created_at=now(-300))
    return Agent(workshop, reaper, rows.a_user())
