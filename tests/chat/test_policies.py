"""The table of how steps meet their errors."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from app.chat.policies import POLICIES, Kind
from app.llm.errors import ProviderBusy, ProviderRefused
from app.tools.errors import BadArguments, ToolTimeout

PASSES: dict[Kind, Exception] = {
    Kind.CONTEXT: OperationalError("", {}, Exception()),
    Kind.TOOLS: ToolTimeout("late"),
    Kind.MODEL: ProviderBusy("busy"),
    Kind.TOOL_CALL: ToolTimeout("late"),
    Kind.COMMIT: OperationalError("", {}, Exception()),
}
STAYS: dict[Kind, Exception] = {
    Kind.CONTEXT: IntegrityError("", {}, Exception()),
    Kind.TOOLS: BadArguments("no"),
    Kind.MODEL: ProviderRefused("no"),
    Kind.TOOL_CALL: BadArguments("no"),
    Kind.COMMIT: IntegrityError("", {}, Exception()),
}


def tries(kind: Kind, error: Exception, most: int = 20) -> tuple[int, list[float]]:
    """How often something that always fails so is tried, and the pauses between."""
    pauses: list[float] = []
    made = 0

    def fail() -> None:
        nonlocal made
        made += 1
        if made == most:
            raise SystemExit
        raise error

    with pytest.raises((type(error), SystemExit)):
        POLICIES[kind].retrying(sleep=pauses.append)(fail)
    return made, pauses


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_step_says_what_becomes_of_its_errors(kind: Kind) -> None:
    policy = POLICIES[kind]
    assert policy.deadline
    assert policy.then
    made, pauses = tries(kind, PASSES[kind])
    assert made == (20 if policy.retries is None else policy.retries + 1)
    assert all(policy.first_seconds <= pause <= policy.most_seconds for pause in pauses)
    assert tries(kind, STAYS[kind]) == (1, [])
