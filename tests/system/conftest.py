"""A stack that several tests share, because none of them harms it; and the report of what the others survived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.conftest import DATABASES, postgres_copy, sqlite_copy
from tests.support.stack import Stack, running_stack
from tests.system.reliability import Run

Measure = Callable[[str, float, str, str], None]

_run = Run()


@pytest.fixture(scope="module", params=DATABASES)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Valkey, web and one worker, once on SQLite and once on PostgreSQL."""
    folder = tmp_path_factory.mktemp("stack")
    if request.param == "sqlite":
        url = sqlite_copy(request.getfixturevalue("migrated"), folder)
    else:
        url = postgres_copy(request.getfixturevalue("postgres"), request.getfixturevalue("migrated_postgres"))
    with running_stack(folder, url) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    """A new user of it."""
    with stack.user(f"{uuid4().hex}@example.com") as client:
        yield client


@pytest.fixture
def measure() -> Measure:
    """`measure(name, value, unit, goal)` puts a figure into the report of the run."""
    return _run.measured


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    marks = [mark.args[0] for mark in item.iter_markers("fault")]
    if marks and (report.when == "call" or report.failed):
        for id_ in marks:
            _run.ended(id_, report.outcome)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if _run.outcomes:
        terminalreporter.write_line("")
        terminalreporter.write_line(_run.tables())
    path = config.getoption("--keep-faults")
    if path:
        _run.keep(Path(path))
