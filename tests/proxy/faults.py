"""What the proxy does to its connections just now, and what went through it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True)
class Faults:
    """Read by every connection at every chunk, so that a change reaches those that are open."""

    seconds: float = 0.0
    cut_after: int | None = None
    drops_responses: bool = False
    resets: bool = False
    passing: asyncio.Event = field(default_factory=_set)


@dataclass(slots=True)
class Traffic:
    """Connections ever accepted and bytes passed on, of all connections together."""

    connections: int = 0
    requested: int = 0
    answered: int = 0
