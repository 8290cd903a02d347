"""The message that tools are chosen for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a choice of tools is made from.

    `content` is the user's message, `goal` whether the reply works toward a goal, `has_history` whether the user has
    other threads that could be searched.
    """

    content: str
    goal: bool = False
    has_history: bool = True
