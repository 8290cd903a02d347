"""What one reader of a thread waits on: a bounded queue, and what can be in it."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from app.stream.events import Event

QUEUE_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class Interest:
    """Who reads which thread: what a look at the database is asked about. `credential` means nothing here."""

    thread_id: str
    credential: str


@dataclass(frozen=True, slots=True)
class Lagged:
    """The reader may have missed events: it was too slow, or the subscription broke."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The process is ending; the reader's client shall reconnect elsewhere."""


class Found(Protocol):
    """What a look at the database brings; everything else about it is between whoever looked and the readers."""

    def concerns(self, interest: Interest) -> bool:
        """Whether a reader with this interest has anything to do about it."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a regular look at the database found, shared by all readers it concerns. `degraded`: Redis is away."""

    seen: Any  # a Found; what else it has is known to whoever looked
    degraded: bool


Item = Event | Lagged | Closed | Look


class Exit:
    """The way out for a reader that waits in another thread: once it is taken, the reader leaves at once."""

    __slots__ = ("_subscription", "taken")

    def __init__(self) -> None:
        self.taken = False
        self._subscription: Subscription | None = None

    def leads_from(self, subscription: Subscription) -> None:
        """For the reader, when it begins to wait."""
        self._subscription = subscription
        if self.taken:
            subscription.put(Closed())

    def take(self) -> None:
        """For whoever wants the reader to leave; before it has begun, too."""
        self.taken = True
        if self._subscription is not None:
            self._subscription.put(Closed())


class Subscription:
    """The bounded queue of one reader."""

    __slots__ = ("_arrived", "_items", "_lagged", "closed", "interest")

    def __init__(self, interest: Interest) -> None:
        self.interest = interest
        self.closed = False
        self._items: deque[Item] = deque()
        self._lagged = False
        self._arrived = threading.Condition()

    def lags_within(self, seconds: float) -> bool:
        """Whether it is told so within so many seconds.

        Each reader waits for its own word: of 500 that waited for one Event of gevent's, some were never woken.
        """
        with self._arrived:
            return bool(self._arrived.wait_for(lambda: self._lagged or self.closed, seconds))

    def start(self) -> None:
        """Forget having lagged: the reader has read nothing yet and will read the log after this."""
        self._lagged = False

    def put(self, item: Item) -> None:
        """Add an item; a reader that does not keep up loses all of them and is told so."""
        with self._arrived:
            if isinstance(item, Lagged) or len(self._items) >= QUEUE_LIMIT:
                self._lagged = True
                self._items.clear()
            else:
                self._items.append(item)
            self.closed = self.closed or isinstance(item, Closed)
            self._arrived.notify()

    def get(self, seconds: float) -> Item | None:
        """The next item, or None when there was none for `seconds`."""
        with self._arrived:
            self._arrived.wait_for(self._ready, max(0.0, seconds))
            if self.closed:
                return Closed()
            if self._lagged:
                self._lagged = False
                return Lagged()
            return self._items.popleft() if self._items else None

    def _ready(self) -> bool:
        return bool(self._items) or self._lagged or self.closed
