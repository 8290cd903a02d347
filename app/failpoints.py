"""Named points where a test lets a process die or freeze; without FAILPOINTS each costs one look at an empty dict.

A rule is `point:action` or, where the point carries a text, `point~part of it:action`; rules are separated by commas.
`FAILPOINTS=claimed:kill` kills a worker right after its first claim.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass

POINTS = {
    "claimed": "the claim of an attempt is committed",
    "gathered": "the context is read, no model has been asked",
    "chunk": "a piece of text came from the model; carries it",
    "called": "the model has said its last word",
    "stepped": "a step is committed, none of its tool calls has begun",
    "tool_begun": "the beginning of tool calls is committed, none runs yet",
    "tool_ended": "a tool call has ended, its outcome is not committed",
    "tool_recorded": "the outcome of a tool call is committed, its event not sent",
    "asked": "a question is committed, its event not sent",
    "checkpointed": "the text so far is committed",
    "finishing": "the end is about to be committed",
    "finished": "the end is committed, its event not sent",
    "announced": "the last event is sent, and not yet noted as sent",
    "waiting": "a wait is committed, its event not sent",
    "recovered": "a reaper has given a job back",
}

ACTIONS: dict[str, Callable[[], object]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(70),
    "freeze": lambda: os.kill(os.getpid(), signal.SIGSTOP),
}

_RULE = re.compile(r"(?P<point>\w+)(?:~(?P<part>[^:,]+))?:(?P<action>\w+)")


@dataclass(frozen=True, slots=True)
class Rule:
    """Do `action` at a point whose text, if it has one, contains `part`."""

    part: str
    action: str


_armed: dict[str, Rule] = {}


def parse(text: str) -> dict[str, Rule]:
    """The rules in `text`; raises ValueError with a sentence for one that names no point or no action."""
    rules = {}
    for written in filter(None, (part.strip() for part in text.split(","))):
        found = _RULE.fullmatch(written)
        if found is None or found["point"] not in POINTS or found["action"] not in ACTIONS:
            raise ValueError(
                f"has an unknown failpoint {written!r}; it is point:action, a point one of {', '.join(POINTS)}, "
                f"an action one of {', '.join(ACTIONS)}"
            )
        rules[found["point"]] = Rule(found["part"] or "", found["action"])
    return rules


def arm(text: str) -> None:
    """Set this process's rules. Raises ValueError as `parse` does."""
    _armed.clear()
    _armed.update(parse(text))


def hit(point: str, text: str = "") -> None:
    """Say that this process has come to `point`."""
    if _armed:
        rule = _armed.get(point)
        if rule is not None and rule.part in text:
            ACTIONS[rule.action]()
