"""One flusher a process: groups what all its replies have written since the last round trip to Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue

import structlog
from redis import Redis
from redis.exceptions import RedisError

from app import tick
from app.config import Settings
from app.stream.events import Event
from app.stream.log import Refused, appending

# What a flush made of an event: its cursor, Refused, or the error that left the outcome unknown.
Outcome = str | Refused | RedisError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a writer's pending events are fetched from, and where their outcomes are told."""

    take: Callable[[], list[Event]]
    told: Callable[[list[Event], list[Outcome]], None]


class Flusher:
    """A thread that flushes the sources that rang. Idle, it flushes at once, so a first token does not wait; after that
    it waits for the tick (`flush_ms`), while Redis appends and answers, and groups what comes meanwhile."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._pause = settings.flush_ms / 1000
        self._rung: SimpleQueue[Source] = SimpleQueue()  # which is C, unlike a Condition: it rings for each token
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._trouble = ""

    def ring(self, source: Source) -> None:
        """Say that `source` has events; returns at once."""
        self._rung.put(source)
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="flusher", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._flush(self._wait())

    def _wait(self) -> list[Source]:
        """Those that have rung since, each once."""
        rung = {id(source): source for source in [self._rung.get()]}
        while not self._rung.empty():
            source = self._rung.get()
            rung[id(source)] = source
        return list(rung.values())

    def _flush(self, sources: list[Source]) -> None:
        batches = [(source, events) for source in sources if (events := source.take())]
        everything = [event for _, events in batches for event in events]
        if not everything:
            return
        outcomes: list[Outcome]
        try:
            with appending(self._client, self._settings, everything) as answered:
                tick.wait(self._pause)  # one turn of the loop for both: with gevent, to wait is dear
            outcomes = list(answered)
            self._note("")
        except RedisError as error:
            self._note(type(error).__name__)
            outcomes = [error] * len(everything)
            time.sleep(self._pause)  # it may have failed at once
        except Exception as error:
            # This thread is the only one that writes: it must outlive an event that cannot be sent.
            log.exception("events not sent")
            outcomes = [RedisError(type(error).__name__)] * len(everything)
        position = 0
        for source, events in batches:
            source.told(events, outcomes[position : position + len(events)])
            position += len(events)

    def _note(self, trouble: str) -> None:
        """Log what has changed: while Redis is away there is a failed flush twice a second."""
        if trouble and trouble != self._trouble:
            log.warning("events not sent; readers fall back to the database until they are", error=trouble)
        elif self._trouble and not trouble:
            log.info("events are sent again")
        self._trouble = trouble
