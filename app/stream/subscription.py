"""What one reader of a thread waits on: a bounded queue, and what can be in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
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
    """The bounded queue of one reader.

    A SimpleQueue, which is written in C with threads and with gevent, unlike a Condition: this is done for each token
    of each reader.
    """

    __slots__ = ("_items", "_lagged", "closed", "interest", "ring")

    def __init__(self, interest: Interest) -> None:
        """`ring` may be set: it is called when something has come, by whoever brought it."""
        self.interest = interest
        self.closed = False
        self.ring: Callable[[], None] | None = None
        self._items: SimpleQueue[Item] = SimpleQueue()
        self._lagged = False

    def lags_within(self, seconds: float) -> bool:
        """For the reader, before it reads anything: whether it is told so, or to go, within so many seconds.

        Each reader waits for its own word: of 500 that waited for one Event of gevent's, some were never woken.
        """
        until = time.monotonic() + seconds
        while not (self._lagged or self.closed):
            if self._next(until - time.monotonic()) is None:
                return False
        return True

    def start(self) -> None:
        """Forget what has come: the reader has read nothing yet, and reads the log after this."""
        self._forget()

    def put(self, item: Item) -> None:
        """Add an item; a reader that does not keep up loses all of them and is told so."""
        self.closed = self.closed or isinstance(item, Closed)
        if self._items.qsize() >= QUEUE_LIMIT:
            self._lagged = True
            return
        self._lagged = self._lagged or isinstance(item, Lagged)
        self._items.put(item)  # whatever it is, it wakes the reader
        if self.ring is not None:
            self.ring()

    def get(self, seconds: float) -> Item | None:
        """The next item, or None when there was none for `seconds`."""
        item = None if self._lagged or self.closed else self._next(seconds)
        if self.closed:
            return Closed()
        if not self._lagged:
            return item
        self._forget()  # the reader reads the log after this
        return Lagged()

    def _next(self, seconds: float) -> Item | None:
        try:
            return self._items.get(timeout=seconds) if seconds > 0 else self._items.get_nowait()
        except Empty:
            return None

    def _forget(self) -> None:
        while self._next(0) is not None:
            pass
        self._lagged = False
