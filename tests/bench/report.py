"""The figures as a table: on the terminal, and between the marks of docs/performance.md."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.bench.figures import Book
from tests.bench.machine import description

BEGIN, END = "<!-- written by make bench -->", "<!-- end -->"
HEADINGS = ["what", "Holdfast", "straight to the provider", "naive server", "goal", "", "others"]


def table(book: Book) -> str:
    """A row a figure, as Markdown."""
    rows = [HEADINGS, ["---"] * len(HEADINGS), *(figure.cells() for figure in book.figures.values())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def summary(book: Book) -> str:
    """How many goals were met, and which were not."""
    goals = [figure for figure in book.figures.values() if figure.goal is not None]
    missed = [figure.name for figure in goals if figure.verdict != "met"]
    return f"{len(goals) - len(missed)} of {len(goals)} goals met." + (
        f" Missed: {'; '.join(missed)}." if missed else ""
    )


def written(book: Book) -> str:
    """Everything that a run writes."""
    notes = "\n".join(f"- {note}" for note in book.notes.values())
    return f"{datetime.now(UTC):%d %B %Y}, {description()}\n\n{table(book)}\n\n{summary(book)}\n\n{notes}".rstrip()


def write(book: Book, path: Path) -> None:
    """Put it between the marks in the document at `path`."""
    before, _, rest = path.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n\n{written(book)}\n\n{END}{after}")
