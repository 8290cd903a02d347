"""The states of a job as a picture and a table, from the data that makes the UPDATEs.

`python -m tests.docs.states` (`make architecture`) puts them into ARCHITECTURE.md, between the two markers.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from app.jobs.transitions import TRANSITIONS, Guard, Transition
from app.models import TERMINAL, Status
from tests.docs.documents import ARCHITECTURE

_MARKED = re.compile(r"(?<=<!-- transitions -->\n).*?(?=<!-- /transitions -->)", re.DOTALL)


def drawn_into(text: str) -> str:
    """The document with what stands between the markers drawn again."""
    redrawn, count = _MARKED.subn(lambda _: drawing(), text)
    assert count == 1, "the markers are missing"
    return redrawn


def drawing() -> str:
    """The picture, then the table."""
    return f"```mermaid\n{picture()}\n```\n\n{table()}"


def picture() -> str:
    """A state diagram: an arrow for each pair of states, with all that lead from one to the other."""
    arrows: dict[tuple[Status, Status], list[str]] = defaultdict(list)
    for transition in TRANSITIONS:
        for old in _in_order(transition.leaves):
            for new in _in_order(transition.enters):
                arrows[old, new].append(transition.name)
    lines = ["stateDiagram-v2", "    [*] --> pending: a message is accepted"]
    lines += [f"    {old} --> {new}: {', '.join(names)}" for (old, new), names in arrows.items()]
    lines += [f"    {status} --> [*]" for status in _in_order(TERMINAL)]
    return "\n".join(lines)


def table() -> str:
    """Every transition, also those that leave the state as it is."""
    head = "| function | from | to | by whom | when | only if |\n|---|---|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(_row(transition))} |\n" for transition in TRANSITIONS)


def _row(transition: Transition) -> tuple[str, ...]:
    guards = "; ".join(guard.value for guard in Guard if guard in transition.guards)
    return (
        f"`{transition.name}`",
        _states(transition.leaves),
        _states(transition.enters) or "the same",
        transition.by,
        transition.when,
        guards,
    )


def _states(statuses: Iterable[Status]) -> str:
    return ", ".join(f"`{status}`" for status in _in_order(statuses))


def _in_order(statuses: Iterable[Status]) -> list[Status]:
    return [status for status in Status if status in statuses]


if __name__ == "__main__":
    ARCHITECTURE.write_text(drawn_into(ARCHITECTURE.read_text()))
