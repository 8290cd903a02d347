"""The invariants, what was found about each, and the verdict that follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

# More examples of one broken promise help nobody to find the cause.
EXAMPLES = 10
_OF_ONE = 3


class Invariant(Enum):
    """The promises, each by its number and a name."""

    G1 = "kept and ended"
    G2 = "terminal is final"
    G3 = "one writer"
    G4 = "text as stored"
    G5 = "cursors, no gaps"
    G6 = "money"
    G7 = "tools at most once"
    G8 = "cancel in time"
    G9 = "one at a time"
    G10 = "one's own only"
    G11 = "nothing left over"
    G12 = "no secrets"


class Outcome(StrEnum):
    """What can be said of an invariant."""

    HELD = "held"
    VIOLATED = "VIOLATED"
    NOT_APPLICABLE = "not applicable"
    NOT_OBSERVABLE = "not observable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise: whose (a message's id, a file's line, a key) and how."""

    subject: str
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`examined` counts what was looked at, by its name in the plural; `violated` counts subjects, not findings."""

    invariant: Invariant
    outcome: Outcome
    examined: Mapping[str, int]
    violated: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Tally:
    examined: Counter[str] = field(default_factory=Counter)
    subjects: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    reason: str | None = None

    def outcome(self) -> Outcome:
        if self.subjects:
            return Outcome.VIOLATED
        if self.reason is not None:
            return Outcome.NOT_APPLICABLE
        return Outcome.HELD if self.examined else Outcome.NOT_OBSERVABLE


class Ledger:
    """Where every check writes what it looked at and what it found; keeps a few examples, however much is broken."""

    def __init__(self) -> None:
        self._tallies = {invariant: _Tally() for invariant in Invariant}

    def examined(self, invariant: Invariant, what: str, count: int = 1) -> None:
        """So many more of `what` (plural) were looked at for the invariant; 0 says that there were none."""
        self._tallies[invariant].examined[what] += count

    def violated(self, invariant: Invariant, subject: str, what: str) -> None:
        """A promise was broken."""
        tally, finding = self._tallies[invariant], Finding(subject, what)
        of_subject = [other for other in tally.findings if other.subject == subject]
        if len(tally.findings) < EXAMPLES and len(of_subject) < _OF_ONE and finding not in of_subject:
            tally.findings.append(finding)
        tally.subjects.add(subject)

    def note(self, invariant: Invariant, text: str) -> None:
        """Worth knowing, but no broken promise."""
        self._tallies[invariant].notes.append(text)

    def missing(self, evidence: str, *invariants: Invariant) -> None:
        """Evidence that was not to be had, for these invariants."""
        for invariant in invariants:
            self._tallies[invariant].missing.append(evidence)

    def not_applicable(self, invariant: Invariant, reason: str) -> None:
        """There is nothing yet that the invariant is about."""
        self._tallies[invariant].reason = reason

    def verdicts(self) -> list[Verdict]:
        """One for each invariant, in their order."""
        return [_verdict(invariant, tally) for invariant, tally in self._tallies.items()]


def _verdict(invariant: Invariant, tally: _Tally) -> Verdict:
    outcome = tally.outcome()
    notes = [*([tally.reason] if tally.reason else []), *tally.notes]
    if tally.missing and tally.reason is None:
        notes.append(("needs " if outcome is Outcome.NOT_OBSERVABLE else "without ") + ", ".join(tally.missing))
    return Verdict(invariant, outcome, dict(tally.examined), len(tally.subjects), tuple(tally.findings), tuple(notes))
