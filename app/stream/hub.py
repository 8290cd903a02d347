"""One subscription to Redis for each web process, fanned out in memory to every open stream."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import structlog
from flask import Flask, current_app
from redis import Connection, Redis
from redis.client import PubSub
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.config import Settings
from app.redis_client import apart
from app.stream.events import decode
from app.stream.log import Keys
from app.stream.subscription import Closed, Found, Interest, Lagged, Look, Subscription

_ALIVE = "holdfast:readers"  # keeps the connection open while nobody reads
_PING_SECONDS = 1.0
_SILENT_SECONDS = 4.0
# A look holds up all that the event loop serves: so many readers are looked for at a time, which takes milliseconds.
_PORTION = 50

log = structlog.get_logger(__name__)


class Hub:
    """The readers of this process. `look` answers, for all interests at once, what the database says about them."""

    def __init__(
        self, app: Flask, settings: Settings, client: Redis, look: Callable[[set[Interest], bool], Found]
    ) -> None:
        self._app = app
        self._settings = settings
        self._client = client
        self._look = look
        self._readers: dict[str, set[Subscription]] = {}
        self._confirmed: dict[str, bool] = {}
        self._turns: deque[Subscription] = deque()  # who is looked for next, with some who have left
        self._lock = threading.Lock()
        self._pubsub: PubSub | None = None
        self._started = False
        self._closed = False
        self._heard = 0.0
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
            self._turns.append(subscription)
            if thread_id not in self._confirmed:
                self._confirmed[thread_id] = False
                self._send("subscribe", thread_id)
            confirmed = self._confirmed[thread_id]
        seconds = self._settings.redis_timeout_seconds if self._pubsub is not None else 0
        if confirmed or subscription.lags_within(seconds):
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
        except Exception:  # of any kind, as for the watch
            # redis-py may have reconnected behind our back, losing messages: let the listener start over.
            self._pubsub = None

    def _listen_always(self) -> None:
        while not self._closed:
            try:
                self._listen()
            except (RedisError, OSError, RuntimeError) as error:
                if self.connected and not self._closed:
                    log.warning("subscription lost; readers re-read the log", error=type(error).__name__)
            except Exception:
                log.exception("subscription lost")  # without this thread every stream would stand still for good
            self.connected = False
            self._pubsub = None
            time.sleep(0.2)

    def _listen(self) -> None:
        # It logs what it is pushed unless somebody else takes it, some hundredths of all that this process does.
        with closing(apart(self._client)) as pool, PubSub(pool, push_handler_func=_as_it_is) as pubsub:
            pubsub.subscribe(_ALIVE)  # connects, which may take its time
            with self._lock:  # no reader may come or go between the list and the subscription
                self._confirmed = dict.fromkeys(self._confirmed, False)
                if channels := [Keys(thread_id).channel for thread_id in self._readers]:
                    pubsub.subscribe(*channels)
                self._pubsub = pubsub
            self._receive(pubsub)

    def _receive(self, pubsub: PubSub) -> None:
        """Handle what comes. This blocks, so that a message costs one wait; somebody else looks whether any come."""
        self._heard = time.monotonic()
        threading.Thread(target=self._watch, args=[pubsub], name="hub-watch", daemon=True).start()
        while self._pubsub is pubsub and not self._closed:
            message = pubsub.get_message(timeout=None)  # type: ignore[arg-type]  # its text has None, its type not
            self._heard = time.monotonic()
            if message is not None:
                self._handle(message)

    def _watch(self, pubsub: PubSub) -> None:
        """Ping, and hang up when there was no answer for too long or the subscription is given up."""
        while self._pubsub is pubsub and not self._closed and time.monotonic() - self._heard < _SILENT_SECONDS:
            try:
                pubsub.ping()
            except Exception:  # of any kind, where the connection is cut: the listener finds that out at the same time
                break
            time.sleep(_PING_SECONDS)
        connection: Connection | None = pubsub.connection
        if connection is not None:
            connection.disconnect()  # type: ignore[no-untyped-call]  # it wakes who reads from it

    def _handle(self, message: dict[str, Any]) -> None:
        if message["type"] == "message":
            self._fan_out(message["data"])
        elif message["type"] == "subscribe":
            self._confirm(message["channel"])

    def _fan_out(self, text: str) -> None:
        try:
            event = decode(text)
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("not an event of ours; somebody else writes to our channels")
            return
        for reader in self._of(event.thread_id):
            reader.put(event)

    def _confirm(self, channel: str) -> None:
        if channel == _ALIVE:
            self.connected = True
            return
        thread_id = channel.removeprefix("thread:{").removesuffix("}")
        with self._lock:  # whoever comes later finds it confirmed
            if thread_id in self._confirmed:
                self._confirmed[thread_id] = True
            readers = list(self._readers.get(thread_id, ()))
        for reader in readers:
            reader.put(Lagged())  # whatever was sent before this moment is in the log

    def _of(self, thread_id: str) -> list[Subscription]:
        with self._lock:
            return list(self._readers.get(thread_id, ()))

    def _look_always(self) -> None:
        while not self._closed:
            portions = 1 + len(self._turns) // _PORTION
            time.sleep(self._settings.recheck_seconds / portions)
            if readers := self._next(-(-len(self._turns) // portions)):
                self._look_for(readers)

    def _next(self, count: int) -> list[Subscription]:
        """Those whose turn it is; they are the last now."""
        with self._lock:
            turned = [self._turns.popleft() for _ in range(count)]
            here = [reader for reader in turned if reader in self._readers.get(reader.interest.thread_id, ())]
            self._turns.extend(here)
        return here

    def _look_for(self, readers: list[Subscription]) -> None:
        degraded = not self.connected
        try:
            with self._app.app_context():
                look = Look(self._look({x.interest for x in readers}, degraded), degraded)
        except SQLAlchemyError as error:
            log.warning("look at the database failed", error=type(error).__name__)
        except Exception:
            log.exception("look at the database failed")  # the next one shall be tried: it guards access
        else:
            for reader in readers:
                if look.seen.concerns(reader.interest):
                    reader.put(look)


def _as_it_is(response: Any) -> Any:
    return response


def current_hub() -> Hub:
    """The hub of this process, for a request of the current application."""
    found: Hub = current_app.extensions["hub"]
    return found
