"""What a tool call comes to: a result, or something the reply must now do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StepState = Literal["pending", "active", "done", "skipped"]


@dataclass(frozen=True, slots=True)
class Done:
    """The call is over; `result` is the text for the model."""

    result: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The reply goes on after `seconds`; `note` says so to the model and to people."""

    seconds: float
    note: str


@dataclass(frozen=True, slots=True)
class Question:
    """A person must answer `prompt`; the answer is the result. `options` may be empty: then any text answers."""

    prompt: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """The goal is reached, or cannot be; `answer` closes the reply."""

    answer: str


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step toward a goal."""

    title: str
    state: StepState = "pending"


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan as it now stands; it replaces any earlier one."""

    steps: tuple[PlanStep, ...]

    @property
    def result(self) -> str:
        """What the model is told."""
        over = sum(step.state in {"done", "skipped"} for step in self.steps)
        return f"Plan noted: {over} of {len(self.steps)} steps are over."


Outcome = Done | Pause | Question | Finish | Plan
