"""What a reply may spend: model calls, and on the way to a goal also time and money."""

from __future__ import annotations

from decimal import Decimal

from app.chat import outcome
from app.chat.context import Work
from app.chat.outcome import Outcome
from app.chat.progress import Progress
from app.chat.steps import total
from app.config import Settings
from app.jobs.run import Run
from app.llm.prices import cost_in_cents

# How often a model is told what is wrong with its tool calls before the reply is given up.
_MOST_REFUSALS = 3


def spent(settings: Settings, work: Work, progress: Progress, run: Run) -> Outcome | None:
    """The end of a reply that may not ask its model again; None while it may."""
    text = progress.settled
    if progress.refusals > _MOST_REFUSALS:
        return outcome.confused(text)
    if len(progress.model_calls) >= (settings.max_tool_steps if work.goal is None else work.goal.max_steps):
        return outcome.answered(text, "tool_limit")
    if _over_budget(work, progress, run):
        return outcome.answered(text, "budget")
    return None


def _over_budget(work: Work, progress: Progress, run: Run) -> bool:
    """Time runs from the reply's first claim, its waits included; a model without a known price costs nothing here."""
    if work.goal is None:
        return False
    if (run.moment() - work.started_at).total_seconds() >= work.goal.max_seconds:
        return True
    if work.goal.budget_cents is None:
        return False
    cost = cost_in_cents(work.model_id, total(step.usage for step in progress.steps))
    return (cost or Decimal(0)) >= work.goal.budget_cents
