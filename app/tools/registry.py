"""The tools of the house, and which of all tools a reply is offered; the signs stand in app/tools/rule.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.tools.ask_user import ask_user
from app.tools.calculator import calculator
from app.tools.clock import clock
from app.tools.fetch_url import fetch_url
from app.tools.goal import finish, plan
from app.tools.occasion import Occasion
from app.tools.rule import FOR_A_GOAL
from app.tools.search_threads import search_threads
from app.tools.tool import Tool
from app.tools.wait import wait

BUILT_IN: Mapping[str, Tool] = {
    each.name: each for each in (calculator, clock, search_threads, fetch_url, wait, ask_user, plan, finish)
}

# Among allowed names: what the rules choose, besides.
RULES = "*"
_EVERY = "__*"


@dataclass(frozen=True, slots=True)
class Considered:
    """One tool, whether it is offered, and why or why not, as the end of a sentence."""

    name: str
    offered: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Every tool that was considered, and those that are offered."""

    considered: tuple[Considered, ...]
    offered: Mapping[str, Tool]


def choose(
    tools: Mapping[str, Tool],
    allowed: Sequence[str] | None,
    occasion: Occasion,
    missing: Mapping[str, str] | None = None,
) -> Choice:
    """Choose from `tools` for one message.

    `allowed` None leaves the choice among the built-in tools to their rules, and so does `*` in it. Names in it
    (`server__*` for all of an MCP server's) are offered and, without `*`, nothing else. A goal has `plan` and `finish`
    in any case. `missing` says of names and patterns that could not be listed why not.
    """
    considered = [_considered(each, allowed, occasion) for each in tools.values()]
    considered += _unknown(tools, allowed or (), missing or {})
    return Choice(tuple(considered), {each.name: tools[each.name] for each in considered if each.offered})


def is_allowed(name: str, allowed: Sequence[str]) -> bool:
    """Whether `allowed` holds `name`, or `server__*` for it."""
    return any(name == entry or (entry.endswith(_EVERY) and name.startswith(entry[:-1])) for entry in allowed)


def _considered(each: Tool, allowed: Sequence[str] | None, occasion: Occasion) -> Considered:
    if each.worth is FOR_A_GOAL:
        reason = FOR_A_GOAL.sign if occasion.goal else "it belongs to replies that work toward a goal"
        return Considered(each.name, occasion.goal, reason)
    if allowed is not None and is_allowed(each.name, allowed):
        return Considered(each.name, True, "it was asked for by name")
    if allowed is not None and RULES not in allowed:
        return Considered(each.name, False, "it was not asked for")
    return _by_rule(each, occasion)


def _by_rule(each: Tool, occasion: Occasion) -> Considered:
    if each.name not in BUILT_IN:
        return Considered(each.name, False, "tools of servers are offered only by name")
    if occasion.goal:
        return Considered(each.name, True, FOR_A_GOAL.sign)
    holds = each.worth(occasion)
    return Considered(each.name, holds, each.worth.sign if holds else f"not seen: {each.worth.sign}")


def _unknown(tools: Mapping[str, Tool], allowed: Sequence[str], missing: Mapping[str, str]) -> Iterator[Considered]:
    for entry in dict.fromkeys((*allowed, *missing)):
        if entry != RULES and not any(is_allowed(name, (entry,)) for name in tools):
            yield Considered(entry, False, missing.get(entry, "no tool of this name exists"))
