"""The tools of one reply: which it is offered, and what a running one is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from app.chat import searching
from app.chat.context import Work
from app.config import Settings
from app.jobs.run import Run, Stop
from app.llm.types import ToolSpec
from app.tools.context import ToolContext
from app.tools.occasion import Occasion
from app.tools.registry import BUILT_IN, Considered, choose, is_allowed
from app.tools.tool import Tool

# A worker that is told to stop gives its tools this long before it hands the reply over without their results.
_LAST_SECONDS = 3.0

_FOREIGN = "it came with the request, and is called by whoever made that"

# What servers offer the names that a reply allows: their tools, and of what could not be listed the reason.
Listing = Callable[[tuple[str, ...]], tuple[Mapping[str, Tool], Mapping[str, str]]]


def no_servers(_names: tuple[str, ...]) -> tuple[Mapping[str, Tool], Mapping[str, str]]:
    """The listing where no server is configured."""
    return {}, {}


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What was chosen; `considered` says of every tool why or why not, as the receipt shows it.

    `functions` are offered as well, and called by whoever asked for the reply.
    """

    offered: Mapping[str, Tool]
    considered: list[dict[str, Any]]
    functions: tuple[ToolSpec, ...] = ()

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """All that is offered, as a provider is told of it."""
        ours = (ToolSpec(each.name, each.description, each.parameters) for each in self.offered.values())
        return (*ours, *self.functions)

    def is_foreign(self, name: str) -> bool:
        """Whether it is not for us to call."""
        return any(name == each.name for each in self.functions)

    def without(self, name: str) -> str:
        """What a model is told that calls a tool which it was not offered."""
        for each in self.considered:
            if is_allowed(name, (each["name"],)):
                return f"The tool {name} cannot be called: {each['reason']}"
        return f"There is no tool of this name; there are: {', '.join(each.name for each in self.specs) or 'none'}."


def prepare(settings: Settings, work: Work, listing: Listing) -> Toolbox:
    """Choose for this reply from the built-in tools and those of the servers that it names.

    A function of the caller's goes before a tool of ours with its name.
    """
    if not work.model.tools:
        return Toolbox({}, [])
    found, missing = listing(work.tools or ())
    foreign = {each.name for each in work.functions}
    ours = {name: each for name, each in {**BUILT_IN, **found}.items() if name not in foreign}
    occasion = Occasion(work.content, goal=work.goal is not None)
    choice = choose(ours, work.tools, occasion, missing)
    offered = {name: _bounded(settings, each) for name, each in choice.offered.items()}
    considered = [*choice.considered, *(Considered(each.name, True, _FOREIGN) for each in work.functions)]
    shown = [{"name": each.name, "offered": each.offered, "reason": each.reason} for each in considered]
    return Toolbox(offered, shown, work.functions)


def context_of(settings: Settings, work: Work, run: Run) -> ToolContext:
    """What the tools that `run` starts now are told."""
    claim = run.claim
    return ToolContext(
        user_id=str(work.user_id),
        thread_id=str(claim.thread_id),
        now=datetime.now(UTC),
        timezone=settings.timezone,
        seconds_left=run.seconds_left(),
        cancelled=_Unwanted(run),
        search=partial(searching.search, work.user_id, claim.thread_id),
        allowed_hosts=frozenset(settings.fetch_hosts),
        longest_wait_seconds=settings.longest_wait_seconds,
    )


def _bounded(settings: Settings, tool: Tool) -> Tool:
    return replace(
        tool,
        timeout_seconds=min(tool.timeout_seconds, settings.tool_seconds),
        result_chars=min(tool.result_chars, settings.tool_result_chars),
    )


class _Unwanted:
    """Tells tools that their results will not be used; a hand-over lets them end, for a moment."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._told_at: float | None = None

    def __call__(self) -> bool:
        if self._run.why is None:
            return False
        if self._run.why is not Stop.HANDED_OVER:
            return True
        self._told_at = self._told_at or time.monotonic()
        return time.monotonic() - self._told_at > _LAST_SECONDS
