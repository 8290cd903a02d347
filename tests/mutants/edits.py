"""How most mutants are made: a guard less in the table of transitions, or one change anywhere."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

MOVES, LIFECYCLE = "app/jobs/transitions.py", "app/jobs/lifecycle.py"
STATEMENTS = "app/jobs/statements.py"
MACHINE = ("tests/jobs/test_machine.py",)


def without(name: str, breaks: str, text: str, guard: str, tests: tuple[str, ...]) -> Mutant:
    """The table without one guard."""
    new = text.replace(f"Guard.{guard}, ", "").replace(f", Guard.{guard}", "")
    return Mutant(name, breaks, (Edit(MOVES, text, new),), tests)


def one(name: str, breaks: str, edit: Edit, tests: tuple[str, ...]) -> Mutant:
    """One change."""
    return Mutant(name, breaks, (edit,), tests)
