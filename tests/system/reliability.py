"""What a run of the fault suite has shown, as the tables of docs/reliability.md."""

from __future__ import annotations

import platform
import sqlite3
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.system.faults import FAULTS

BEGIN, END = "<!-- written by make chaos -->", "<!-- end -->"


@dataclass
class Figure:
    """What was measured under one name, with the goal it was measured for."""

    unit: str
    goal: str
    values: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        """Its line in the table."""
        median, worst = statistics.median(self.values), max(self.values)
        return f"| {name} | {median:.3g} {self.unit} | {worst:.3g} {self.unit} | {len(self.values)} | {self.goal} |"


@dataclass
class Run:
    """Outcomes of the tests of each fault, and the figures that they measured."""

    outcomes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    figures: dict[str, Figure] = field(default_factory=dict)

    def measured(self, name: str, value: float, unit: str, goal: str) -> None:
        """Add one measurement to those under `name`."""
        self.figures.setdefault(name, Figure(unit, goal)).values.append(value)

    def tables(self) -> str:
        """Both tables as Markdown."""
        faults = "\n".join(self._fault_row(id_) for id_ in FAULTS)
        figures = "\n".join(figure.row(name) for name, figure in self.figures.items())
        return (
            f"{_machine()}\n\n| fault | what happens | promise beyond the invariants | tests |\n|---|---|---|---|\n"
            f"{faults}\n\n| measured | median | worst | of | goal |\n|---|---|---|---|---|\n{figures}"
        )

    def _fault_row(self, id_: str) -> str:
        fault = FAULTS[id_]
        return f"| {id_} | {fault.what} | {fault.promise} | {self._verdict(id_)} |"

    def _verdict(self, id_: str) -> str:
        if FAULTS[id_].missing:
            return f"not applicable: no {FAULTS[id_].missing} yet"
        outcomes = self.outcomes.get(id_, [])
        failed = sum(outcome != "passed" for outcome in outcomes)
        if not outcomes:
            return "**not run**"
        return f"**{failed} of {len(outcomes)} failed**" if failed else f"{len(outcomes)} passed"

    def write(self, path: Path) -> None:
        """Put the tables between the marks in the document at `path`."""
        before, _, rest = path.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        path.write_text(f"{before}{BEGIN}\n\n{self.tables()}\n\n{END}{after}")


def _machine() -> str:
    parts = [f"{name} {version(name)}" for name in ("celery", "redis", "sqlalchemy", "gunicorn")]
    return (
        f"{datetime.now(UTC):%d %B %Y}, {psutil.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {', '.join(parts)}."
    )
