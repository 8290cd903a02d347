"""The tool that lets a reply wait without holding a worker."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.tools.context import ToolContext
from app.tools.outcome import Pause
from app.tools.rule import WAITING
from app.tools.tool import tool

SHORTEST_SECONDS = 1.0


@tool(timeout_seconds=5, idempotent=True, worth=WAITING)
def wait(
    context: ToolContext,
    seconds: Annotated[float, Field(description="How long to wait.")],
    reason: Annotated[str, Field(max_length=500, description="What is waited for, shown to the user.")] = "",
) -> Pause:
    """Wait before going on, for example until something is ready or before trying again.

    The reply continues after the wait with everything it knows. Prefer one long wait to many short ones.
    """
    kept = min(max(seconds, SHORTEST_SECONDS), context.longest_wait_seconds)
    notes = [reason.strip(), _bound(seconds, kept)]
    return Pause(kept, " ".join(note for note in notes if note) or f"Waiting {kept:g} s.")


def _bound(asked: float, kept: float) -> str:
    if asked == kept:
        return ""
    kind = "shortest" if asked < kept else "longest"
    return f"{asked:g} s were asked for; {kept:g} s is the {kind} wait."
