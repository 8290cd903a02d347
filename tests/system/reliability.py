"""What a run of the fault suite has shown, as the tables of docs/reliability.md."""

from __future__ import annotations

import json
import platform
import sqlite3
import statistics
from collections import Counter
from dataclasses import asdict, dataclass, field
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
        worst = (min if self.goal.startswith((">", "≥")) else max)(self.values)
        median = statistics.median(self.values)
        return f"| {name} | {median:.3g} {self.unit} | {worst:.3g} {self.unit} | {len(self.values)} | {self.goal} |"


@dataclass
class Run:
    """Outcomes of the tests of each fault, and the figures that they measured."""

    outcomes: dict[str, list[str]] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)

    def ended(self, id_: str, *outcomes: str) -> None:
        """Add the outcomes of tests of one fault."""
        self.outcomes.setdefault(id_, []).extend(outcomes)

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
        counts = Counter(outcomes)
        if not counts["passed"] + counts["failed"]:
            return "**not run**"
        if counts["failed"]:
            return f"**{counts['failed']} of {len(outcomes)} failed**"
        return f"{counts['passed']} passed" + (f", {counts['skipped']} skipped" if counts["skipped"] else "")

    def add(self, path: Path) -> None:
        """Add what another process has kept there."""
        kept = json.loads(path.read_text())
        for id_, outcomes in kept["outcomes"].items():
            self.ended(id_, *outcomes)
        for name, figure in kept["figures"].items():
            for value in figure["values"]:
                self.measured(name, value, figure["unit"], figure["goal"])

    def keep(self, path: Path) -> None:
        """Keep it for another process."""
        path.write_text(json.dumps(asdict(self)))

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
