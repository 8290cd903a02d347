"""Goals: replies that work on until they say that they are done, or their budget is spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

INSTRUCTIONS = (
    "You work toward the goal in the user's message, on your own and in steps. Call `plan` first and again whenever a "
    "step is over. Use the other tools as you need them. When the goal is reached, or you are sure that it cannot be, "
    "call `finish` with the complete answer; nothing else ends your work."
)
# What a goal may take at most, and takes where nothing is said; cents are a decimal with up to six places.
MOST_STEPS, MOST_SECONDS, CENTS = 100, 86_400, r"^[0-9]{1,9}(\.[0-9]{1,6})?$"
USUAL: Mapping[str, Any] = {"max_steps": 20, "max_seconds": 900, "budget_cents": None}
GO_ON = "Go on toward the goal, or call `finish` with the complete answer."


@dataclass(frozen=True, slots=True)
class Goal:
    """What a reply may spend on its goal: model calls, seconds of work, and cents where a price is known."""

    max_steps: int
    max_seconds: float
    budget_cents: Decimal | None

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Goal | None:
        """The goal in a reply's parameters, if it has one."""
        written = parameters.get("goal")
        if written is None:
            return None
        cents = written.get("budget_cents")
        return cls(written["max_steps"], written["max_seconds"], Decimal(str(cents)) if cents is not None else None)
