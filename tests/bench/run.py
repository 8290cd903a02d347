"""One run: where its figures go, how much it measures, and what all of its parts use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Book
from tests.bench.plan import Plan
from tests.bench.stage import Provider


@dataclass(frozen=True)
class Run:
    """`files` is how many of them a process may open here."""

    book: Book
    plan: Plan
    provider: Provider
    folder: Path
    files: int
