"""`python -m tests.mutants [NAME…]` (`make mutants`): break each promise, or those named, and run the tests that must
notice. Ends with 1 if one does not, with 2 if something cannot be tried."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.mutants.catalog import MUTANTS
from tests.mutants.mutant import DoesNotApply, Mutant
from tests.mutants.running import CannotRun, Ran, copied, mutated, run


def main(names: list[str]) -> int:
    """What the process ends with."""
    unknown = [name for name in names if name not in MUTANTS]
    if unknown:
        print(f"No mutant is named {unknown[0]}; there are {', '.join(MUTANTS)}.", file=sys.stderr)
        return 2
    try:
        found = _all([MUTANTS[name] for name in names or MUTANTS])
    except (DoesNotApply, CannotRun) as error:
        print(error, file=sys.stderr)
        return 2
    print(_table(found))
    survivors = [mutant.name for mutant, ran in found if not ran.failed]
    print(
        f"{len(found) - len(survivors)} of {len(found)} killed" + "".join(f"\nsurvives: {name}" for name in survivors)
    )
    return 1 if survivors else 0


def _all(mutants: list[Mutant]) -> list[tuple[Mutant, Ran]]:
    """Each mutant with what its tests said. First of all they must pass without it, or failing would mean nothing."""
    with copied() as root:
        for mutant in mutants:
            mutant.changed(root)
        _pass_unchanged(root, sorted({mutant.tests for mutant in mutants}))
        return [(mutant, _one(root, mutant, f"{n}/{len(mutants)}")) for n, mutant in enumerate(mutants, 1)]


def _pass_unchanged(root: Path, selections: list[tuple[str, ...]]) -> None:
    for tests in selections:
        ran = run(root, tests)
        if ran.failed:
            raise CannotRun(f"{ran.failed} fails without any mutant.")
        _say(f"unchanged: {' '.join(tests)} passes ({ran.seconds:.0f} s)")


def _one(root: Path, mutant: Mutant, place: str) -> Ran:
    with mutated(root, mutant):
        ran = run(root, mutant.tests)
    _say(f"{place} {mutant.name}: {ran.failed or 'SURVIVES'} ({ran.seconds:.0f} s)")
    return ran


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _table(found: list[tuple[Mutant, Ran]]) -> str:
    lines = ["| mutant | breaks | killed by | seconds |", "|---|---|---|---|"]
    lines += [f"| {m.name} | {m.breaks} | {ran.failed or 'SURVIVES'} | {ran.seconds:.1f} |" for m, ran in found]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
