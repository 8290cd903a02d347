"""The tools of a reply that works toward a goal: its plan, and its end."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.tools.outcome import Finish, Plan, PlanStep, StepState
from app.tools.rule import FOR_A_GOAL
from app.tools.tool import tool


class PlannedStep(BaseModel):
    """One step toward the goal."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(min_length=1, max_length=300, description="What is done in this step.")]
    state: StepState = "pending"


@tool(timeout_seconds=5, idempotent=True, worth=FOR_A_GOAL)
def plan(
    steps: Annotated[list[PlannedStep], Field(min_length=1, max_length=50, description="All steps, in order.")],
) -> Plan:
    """Write down the plan toward the goal, or its new state. Call it first, and again whenever a step is over.

    Each call replaces the whole plan.
    """
    return Plan(tuple(PlanStep(step.title.strip(), step.state) for step in steps))


@tool(timeout_seconds=5, idempotent=True, worth=FOR_A_GOAL)
def finish(
    answer: Annotated[str, Field(min_length=1, max_length=100_000, description="The complete answer for the user.")],
) -> Finish:
    """End the work with the answer: the goal is reached, or you are sure that it cannot be and say why."""
    return Finish(answer.strip())
