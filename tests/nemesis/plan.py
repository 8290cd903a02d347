"""What a seed says: which faults befall a copy, when, and for how long."""

from __future__ import annotations

import random
from dataclasses import dataclass

# Each with the longest it may last, in seconds; 0 is over at once. `database` faults need a database with a port.
FAULTS = {
    "kill a worker": 4.0,
    "freeze a worker": 9.0,
    "stop a worker": 2.0,
    "stop the web process": 1.0,
    "kill the web process": 1.0,
    "freeze Valkey": 6.0,
    "restart Valkey empty": 0.0,
    "kill every subscription": 0.0,
    "delete the logs": 0.0,
    "slow Redis": 5.0,
    "cut Redis": 0.0,
    "cut the provider": 0.0,
    "cut the clients": 0.0,
    "drop the web's answers": 1.0,
    "cut the database": 0.0,
    "hold the database back": 3.0,
}
ONLY_SERVED = {"cut the database", "hold the database back"}
MOST_AT_ONCE = 3
# By the words that name them.
_PARTS = ({"worker"}, {"web", "web's"}, {"Valkey", "subscription", "logs"}, {"Redis"}, {"database"})


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault: seconds after the beginning, and how long it lasts."""

    at: float
    fault: str
    seconds: float

    @property
    def until(self) -> float:
        """When it is over."""
        return self.at + self.seconds

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:6.1f} s  {self.fault}{lasting}"


def plan(seed: int, seconds: float, *, database_served: bool) -> list[Blow]:
    """The blows of a seed: one about every three seconds, at most three at once, no two of a kind at a time."""
    chance = random.Random(seed)
    kinds = sorted(FAULTS if database_served else FAULTS.keys() - ONLY_SERVED)
    blows: list[Blow] = []
    at = 2.0
    while at < seconds - 2:
        fault = chance.choice(kinds)
        blow = Blow(at, fault, min(chance.uniform(0.3, 1) * FAULTS[fault], seconds - at))
        lasting = [other for other in blows if other.until + 1 > at]
        if len(lasting) < MOST_AT_ONCE and not any(_clash(blow, other) for other in lasting):
            blows.append(blow)
        at += chance.uniform(1, 5)
    return blows


def _clash(blow: Blow, other: Blow) -> bool:
    """The same part cannot be killed, or told anything, while it is frozen; two workers may fall at once."""
    return any(part & set(blow.fault.split()) and part & set(other.fault.split()) for part in _PARTS)
