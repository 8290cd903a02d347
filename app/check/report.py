"""The report: a line for each invariant, and examples under those that are violated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.check.verdict import Invariant, Outcome, Verdict

_NAME = max(len(invariant.value) for invariant in Invariant)
_OUTCOME = max(len(outcome) for outcome in Outcome)


def lines(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Aligned plain text, one line an invariant."""
    for verdict in verdicts:
        head = f"{verdict.invariant.name:<4} {verdict.invariant.value:<{_NAME}}  {verdict.outcome:<{_OUTCOME}}"
        yield f"{head}  {_rest(verdict)}".rstrip()
        yield from _examples(verdict)


def _rest(verdict: Verdict) -> str:
    counted = ", ".join(f"{count} {what}" for what, count in verdict.examined.items())
    if verdict.outcome is Outcome.VIOLATED:
        counted = f"{verdict.violated} of {counted}" if counted else str(verdict.violated)
    notes = f"({'; '.join(verdict.notes)})" if verdict.notes else ""
    return "  ".join(part for part in (counted, notes) if part)


def _examples(verdict: Verdict) -> Iterator[str]:
    for finding in verdict.findings:
        yield f"     {finding.subject}: {finding.what}"
    more = verdict.violated - len({finding.subject for finding in verdict.findings})
    if more:
        yield f"     … and {more} more"
