"""What a reader of a stream does next, one step after the other; whoever takes the steps does the waiting."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from app.stream.events import Event
from app.stream.subscription import Item, Subscription


class _Sentinel(Enum):
    ASK = "ask"


# What comes next asks Redis or the database, which takes its time.
ASK: Final = _Sentinel.ASK


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before the subscription has something, or until that moment of the monotonic clock. It is answered
    with what has come, or None."""

    subscription: Subscription
    until: float


# What to send is an event, or None for a heartbeat.
Step = Event | Wait | _Sentinel | None
Steps = Generator[Step, Item | None, None]


class Following(Iterator[Event | None]):
    """A stream: iterate it, which waits where there is nothing; or take its steps."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def __next__(self) -> Event | None:
        given = None
        while True:
            step = self.steps.send(given)
            if isinstance(step, Wait):
                given = step.subscription.get(step.until - time.monotonic())
            elif step is ASK:
                given = None
            else:
                return step

    def close(self) -> None:
        """Leave it before its end."""
        self.steps.close()
