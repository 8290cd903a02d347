"""One subscription to Redis for each web process, fanned out in memory to every open stream."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Flask
from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.config import Settings
from app.stream.events import Event, decode
from app.stream.log import Keys

QUEUE_LIMIT = 1_000
_ALIVE = "holdfast:readers"  # keeps the connection open while nobody reads
_PING_SECONDS = 1.0
_SILENT_SECONDS = 4.0

log = structlog.get_logger(__name__)


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


@dataclass(frozen=True, slots=True)
class Look:
    """What a regular look at the database found, shared by all readers. `degraded`: Redis is away."""

    seen: Any
    degraded: bool


Item = Event | Lagged | Closed | Look


class Subscription:
    """The bounded queue of one reader."""

    __slots__ = ("_arrived", "_items", "_lagged", "closed", "interest")

    def __init__(self, interest: Interest) -> None:
        self.interest = interest
        self.closed = False
        self._items: deque[Item] = deque()
        self._lagged = False
        self._arrived = threading.Event()

    def start(self) -> None:
        """Forget having lagged: the reader has read nothing yet and will read the log after this."""
        self._lagged = False

    def put(self, item: Item) -> None:
        """Add an item; a reader that does not keep up loses all of them and is told so."""
        if isinstance(item, Lagged) or len(self._items) >= QUEUE_LIMIT:
            self._lagged = True
            self._items.clear()
        else:
            self._items.append(item)
        self.closed = self.closed or isinstance(item, Closed)
        self._arrived.set()

    def get(self, seconds: float) -> Item | None:
        """The next item, or None when there was none for `seconds`."""
        if not self._ready():
            self._arrived.clear()
            if not self._ready():  # nothing came between the look and the clear
                self._arrived.wait(max(0.0, seconds))
        if self.closed:
            return Closed()
        if self._lagged:
            self._lagged = False
            return Lagged()
        return self._items.popleft() if self._items else None

    def _ready(self) -> bool:
        return bool(self._items) or self._lagged or self.closed


class Hub:
    """The readers of this process. `look` answers, for all interests at once, what the database says about them."""

    def __init__(
        self, app: Flask, settings: Settings, client: Redis, look: Callable[[set[Interest], bool], Any]
    ) -> None:
        self._app = app
        self._settings = settings
        self._client = client
        self._look = look
        self._readers: dict[str, set[Subscription]] = {}
        self._confirmed: dict[str, threading.Event] = {}
        self._lock = threading.Lock()
        self._pubsub: PubSub | None = None
        self._started = False
        self._closed = False
        self.connected = False

    @contextmanager
    def subscribe(self, interest: Interest) -> Iterator[Subscription]:
        """A subscription that misses nothing sent after this returns, or that will say Lagged."""
        subscription = Subscription(interest)
        self._start()
        self._add(subscription)
        try:
            yield subscription
        finally:
            self._remove(subscription)

    def close(self) -> None:
        """End every stream of this process."""
        self._closed = True
        for subscription in self._all():
            subscription.put(Closed())

    @property
    def readers(self) -> int:
        """How many streams are open."""
        return len(self._all())

    def _all(self) -> list[Subscription]:
        with self._lock:
            return [reader for readers in self._readers.values() for reader in readers]

    def _start(self) -> None:
        # Not in __init__: the threads must belong to the process that serves, not to one that forks it.
        with self._lock:
            if self._started:
                return
            self._started = True
        threading.Thread(target=self._listen_always, name="hub", daemon=True).start()
        threading.Thread(target=self._look_always, name="hub-look", daemon=True).start()

    def _add(self, subscription: Subscription) -> None:
        thread_id = subscription.interest.thread_id
        with self._lock:
            self._readers.setdefault(thread_id, set()).add(subscription)
            confirmed = self._confirmed.get(thread_id)
            if confirmed is None:
                confirmed = self._confirmed[thread_id] = threading.Event()
                self._send("subscribe", thread_id)
        if confirmed.wait(self._settings.redis_timeout_seconds if self._pubsub is not None else 0):
            subscription.start()
        if self._closed:
            subscription.put(Closed())

    def _remove(self, subscription: Subscription) -> None:
        thread_id = subscription.interest.thread_id
        with self._lock:
            readers = self._readers[thread_id]
            readers.discard(subscription)
            if not readers:
                del self._readers[thread_id], self._confirmed[thread_id]
                self._send("unsubscribe", thread_id)

    def _send(self, command: str, thread_id: str) -> None:
        """Under the lock, so that one reader's unsubscribe cannot overtake another's subscribe."""
        if self._pubsub is None:
            return  # the listener subscribes to everything that has readers when it connects
        try:
            getattr(self._pubsub, command)(Keys(thread_id).channel)
        except (RedisError, OSError):
            # redis-py may have reconnected behind our back, losing messages: let the listener start over.
            self._pubsub = None

    def _listen_always(self) -> None:
        while not self._closed:
            try:
                self._listen()
            except (RedisError, OSError, RuntimeError) as error:
                if self.connected:
                    log.warning("subscription lost; readers re-read the log", error=type(error).__name__)
            self.connected = False
            self._pubsub = None
            time.sleep(0.2)

    def _listen(self) -> None:
        with PubSub(self._client.connection_pool) as pubsub:
            with self._lock:
                for confirmed in self._confirmed.values():
                    confirmed.clear()
                channels = [Keys(thread_id).channel for thread_id in self._readers]
                self._pubsub = pubsub
            pubsub.subscribe(_ALIVE, *channels)
            self._receive(pubsub)

    def _receive(self, pubsub: PubSub) -> None:
        heard = pinged = time.monotonic()
        while self._pubsub is pubsub and not self._closed:
            message = pubsub.get_message(timeout=_PING_SECONDS)
            now = time.monotonic()
            if message is not None:
                heard = now
                self._handle(message)
            elif now - heard > _SILENT_SECONDS:
                raise ConnectionError("Redis answers no ping")
            if now - pinged >= _PING_SECONDS:
                pinged = now
                pubsub.ping()

    def _handle(self, message: dict[str, Any]) -> None:
        if message["type"] == "message":
            event = decode(message["data"])
            for reader in self._of(event.thread_id):
                reader.put(event)
        elif message["type"] == "subscribe":
            self._confirm(message["channel"])

    def _confirm(self, channel: str) -> None:
        if channel == _ALIVE:
            self.connected = True
            return
        thread_id = channel.removeprefix("thread:{").removesuffix("}")
        for reader in self._of(thread_id):
            reader.put(Lagged())  # whatever was sent before this moment is in the log
        with self._lock:
            if thread_id in self._confirmed:
                self._confirmed[thread_id].set()

    def _of(self, thread_id: str) -> list[Subscription]:
        with self._lock:
            return list(self._readers.get(thread_id, ()))

    def _look_always(self) -> None:
        while not self._closed:
            time.sleep(self._settings.recheck_seconds)
            readers = self._all()
            if not readers:
                continue
            try:
                with self._app.app_context():
                    look = Look(self._look({x.interest for x in readers}, not self.connected), not self.connected)
            except SQLAlchemyError as error:
                log.warning("look at the database failed", error=type(error).__name__)
                continue
            for reader in readers:
                reader.put(look)


__all__ = ["Closed", "Hub", "Interest", "Lagged", "Look", "Subscription"]
