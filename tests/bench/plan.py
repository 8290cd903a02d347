"""How much is measured: the whole, in at most ten minutes, or, with QUICK=1, enough in one to see whether it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PARTS = ("start", "accept", "streams", "crowd", "floors", "history")


class BadSetting(Exception):
    """A variable has a value that says nothing; the message names both."""


@dataclass(frozen=True)
class Plan:
    """Sizes and repetitions."""

    quick: bool
    times: int = 3
    posts: int = 400
    post_seconds: float = 4.0
    firsts: int = 100
    crowds: tuple[int, ...] = (50, 100, 150, 200)
    open_streams: int = 5_000
    idle_streams: int = 10_000
    rows: int = 10_000
    looks: int = 50
    stores: tuple[str, ...] = ("sqlite", "postgresql")
    parts: tuple[str, ...] = PARTS  # unless others are asked for

    @property
    def rounds(self) -> range:
        """One turn for each repetition."""
        return range(self.times)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Plan:
        """What QUICK asks for; raises BadSetting."""
        quick = environment.get("QUICK", "")
        if quick in {"", "0"}:
            return cls(quick=False)
        if quick != "1":
            raise BadSetting(f"QUICK: must be 1, 0 or unset, not {quick!r}.")
        return cls(
            quick=True,
            times=1,
            posts=100,
            post_seconds=2.0,
            firsts=20,
            crowds=(150,),
            open_streams=1_000,
            idle_streams=0,
            looks=30,
            stores=("sqlite",),
            parts=("start", "accept", "streams", "floors"),
        )
