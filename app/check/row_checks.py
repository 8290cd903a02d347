"""The check of the rows: every rule on every message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.check import rows
from app.check.database import Moment
from app.check.row_rules import OF_MESSAGES, OF_REPLIES, Rule
from app.check.rows import Progress, Row
from app.check.verdict import Invariant, Ledger

_COUNTED = {
    Invariant.G1: "replies",
    Invariant.G3: "replies",
    Invariant.G8: "cancels",
    Invariant.G9: "messages",
    Invariant.G10: "messages",
}


def expect(ledger: Ledger) -> None:
    """Name first what there is most of."""
    for invariant, what in _COUNTED.items():
        ledger.examined(invariant, what, 0)


def check(ledger: Ledger, at: Moment, progress: Progress) -> None:
    """G1, G3, G8, G9 and G10 as far as rows tell."""
    active = 0
    for page in rows.pages(progress):
        for row in page:
            active += row.job_id is not None and not row.ended
            _check(ledger, row, at)
    for job_id, status in rows.orphans():
        ledger.violated(Invariant.G1, str(job_id), f"is a {status} job that writes no message")
    if active and not at.has_worker:
        ledger.note(Invariant.G1, f"{active} under way, but no worker is running")


def _check(ledger: Ledger, row: Row, at: Moment) -> None:
    _apply(ledger, OF_MESSAGES, row, at)
    counts = {"messages": 1, "replies": row.job_id is not None, "cancels": row.cancel_requested_at is not None}
    for invariant, what in _COUNTED.items():
        ledger.examined(invariant, what, counts[what])
    if row.job_id is not None:
        _apply(ledger, OF_REPLIES, row, at)


def _apply(ledger: Ledger, rules: Mapping[Invariant, Sequence[Rule]], row: Row, at: Moment) -> None:
    for invariant, each in rules.items():
        for rule in each:
            for what in rule(row, at):
                ledger.violated(invariant, str(row.id), what)
