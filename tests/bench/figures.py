"""Figures: what was measured under one name, its floors from the same run, its goal, and whether it was met."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of `values` that at least `percent` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median(values: Iterable[float]) -> float:
    """Of the values of all rounds."""
    return statistics.median(values)


@dataclass(frozen=True)
class Goal:
    """A number not to be exceeded or, with `at_least`, to be reached."""

    number: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether a value does."""
        return value >= self.number if self.at_least else value <= self.number

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {shown(self.number)}"


@dataclass
class Figure:
    """One row: a value a round; `straight` and `naive` are its floors, `others` the share that others took."""

    name: str
    unit: str
    goal: Goal | None = None
    values: list[float] = field(default_factory=list)
    straight: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    over_floor: bool = False

    @property
    def verdict(self) -> str:
        """Whether the median of the rounds met the goal; empty without one."""
        if not self.values:
            return "**not measured**"
        return "" if self.goal is None else "met" if self.goal.met(self._judged()) else "**MISSED**"

    def _judged(self) -> float:
        """What the goal speaks of: with `over_floor` only what comes on top of the way straight to the provider."""
        floor = median(self.straight) if self.over_floor and self.straight else 0.0
        return median(self.values) - floor

    def cells(self) -> list[str]:
        """What the table shows of it."""
        others = f"{max(self.others):.0%}" if self.others else ""
        goal = "" if self.goal is None else f"{self.goal}{' over straight' if self.over_floor else ''}"
        name = f"{self.name}, {self.unit}"
        return [name, _spread(self.values), _spread(self.straight), _spread(self.naive), goal, self.verdict, others]


@dataclass
class Book:
    """All figures of a run, in the order in which they were first named."""

    figures: dict[str, Figure] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def figure(self, name: str, unit: str, goal: Goal | None = None) -> Figure:
        """The figure of this name; a new one when it is not known yet."""
        return self.figures.setdefault(name, Figure(name, unit, goal))

    def note(self, subject: str, sentence: str) -> None:
        """What the reader of the table should know about a subject; a later round's replaces it."""
        self.notes[subject] = f"{subject}: {sentence}"


def shown(value: float) -> str:
    """Three significant digits at most, without an exponent."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}".rstrip("0").rstrip(".")


def _spread(values: list[float]) -> str:
    """The median of the rounds and, where there are several, the least and the greatest."""
    if not values:
        return ""
    if len(values) == 1:
        return shown(values[0])
    return f"{shown(median(values))} ({shown(min(values))} to {shown(max(values))})"
