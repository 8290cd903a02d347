"""The benchmark's own reckoning: nothing here depends on how fast the machine is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench import machine, report, writes
from tests.bench.figures import Book, Figure, Goal, percentile, shown
from tests.bench.plan import BadSetting, Plan
from tests.bench.wire import receipts
from tests.support.copy import ROOT


def test_a_percentile_is_one_of_the_values() -> None:
    assert [percentile([3, 1, 2, 4], percent) for percent in (1, 50, 51, 99, 100)] == [1, 2, 3, 4, 4]
    assert percentile([7], 99) == 7


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.2345, "0.234"), (5, "5"), (20.0, "20"), (12345.6, "12,346")])
def test_a_number_is_shown_short(value: float, text: str) -> None:
    assert shown(value) == text


def test_a_goal_is_met_or_missed_by_the_median_of_the_rounds() -> None:
    assert Figure("a", "ms", Goal(4), [1, 9, 3]).verdict == "met"
    assert Figure("a", "ms", Goal(4), [5, 9, 3]).verdict == "**MISSED**"
    assert Figure("a", "ms", Goal(4, at_least=True), [5, 9, 3]).verdict == "met"
    assert Figure("a", "ms", Goal(4)).verdict == "**not measured**"
    assert not Figure("a", "ms", None, [1]).verdict


def test_a_goal_over_the_floor_leaves_out_the_floor() -> None:
    figure = Figure("a", "ms", Goal(4), [5], straight=[2], over_floor=True)
    assert (figure.verdict, figure.cells()[4]) == ("met", "≤ 4 over straight")


def test_the_table_is_written_between_the_marks(tmp_path: Path) -> None:
    page, book = tmp_path / "page.md", Book()
    book.figure("accept", "ms", Goal(4)).values += [2, 3, 9]
    book.figure("accept", "ms").naive.append(1)
    book.figure("missed", "s", Goal(1)).values.append(2)
    book.note("A note", "this.")
    page.write_text(f"Before.\n{report.BEGIN}\nstale\n{report.END}\nAfter.\n")
    for _ in range(2):
        report.write(book, page)
    text = page.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("\nAfter.\n")
    assert "stale" not in text
    assert text.count("| accept, ms | 3 (2 to 9) |  | 1 | ≤ 4 | met |  |") == 1
    assert "1 of 2 goals met. Missed: missed." in text
    assert "- A note: this." in text


def test_the_page_has_the_marks() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    assert page.count(report.BEGIN) == page.count(report.END) == 1


def test_a_busy_machine_is_refused_with_a_sentence() -> None:
    machine.refuse_busy(0.10)
    with pytest.raises(machine.Busy, match="take 34% of this machine"):
        machine.refuse_busy(0.34)


def test_a_setting_that_says_nothing_ends_it_before_anything_starts() -> None:
    with pytest.raises(BadSetting):
        Plan.of({"QUICK": "yes"})
    command = [sys.executable, "-m", "tests.bench"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"QUICK": "yes"}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "QUICK: must be 1, 0 or unset, not 'yes'.\n"


def test_a_token_counts_when_its_event_is_whole() -> None:
    chunks = [(1, b"HTTP/1.1 200 OK\r\n\r\n"), (2, b'data: {"text": "w1"}\n\ndata: {"te'), (3, b'xt": " w2 w3"}\n\n')]
    again = (4, b'data: {"content": "w1 w2 w3"}\n\n')
    assert receipts([*chunks, again]) == [2, 3, 3]


def test_the_commits_of_sqlite_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE things (name TEXT)")
        before = writes.commit_frames(path)
        for _ in range(3):
            connection.execute("INSERT INTO things VALUES (?)", ("x" * 9000,))
        connection.execute("SELECT * FROM things").fetchall()
        assert writes.commit_frames(path) - before == 3
