"""Streams whose requests are over. Each is a connection and its reader's steps, with no thread or greenlet of its own.

Whoever brings something to a reader's subscription has it written at once. Only what asks Redis or the database, and a
client that does not read, get a thread, for as long as that takes.
"""

from __future__ import annotations

import heapq
import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from flask import Flask
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.stream.events import Event
from app.stream.steps import ASK, Step, Steps, Wait
from app.stream.subscription import Item

_BEAT_SECONDS = 0.1  # how late a heartbeat may be
_AT_A_TIME = 100
# When Redis comes back thousands have to ask at once: fewer than there are connections, which requests need too.
_ASKING = 30


@dataclass(frozen=True, slots=True)
class Body:
    """How the rest of an answer is written: an event, or None for a heartbeat, and what comes after the last one."""

    frame: Callable[[Event | None], bytes]
    last: bytes


log = structlog.get_logger(__name__)


class Outlets:
    """The open ones of this process, which are given their heartbeats here."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.lock = threading.Lock()
        self.asking = threading.BoundedSemaphore(_ASKING)
        self._due: list[tuple[float, int, Outlet]] = []
        self._started = False

    def open(self, connection: int, beginning: bytes, steps: Steps, body: Body) -> None:
        """Send `beginning` and what there is to send at this moment; from then on this returns nothing to wait for.

        `connection` is a descriptor of a socket that does not block; it is closed at the end.
        """
        outlet = Outlet(self, connection, beginning, steps, body)
        outlet.begin()
        with self.lock:
            heapq.heappush(self._due, (outlet.until, id(outlet), outlet))
            if self._started:
                return
            self._started = True
        threading.Thread(target=self._beat_always, name="outlets", daemon=True).start()

    def _beat_always(self) -> None:
        while True:
            time.sleep(_BEAT_SECONDS)
            while due := self._take_due():
                for outlet in due:
                    outlet.ring()
                time.sleep(0)  # others' turn
                self._put_back(due)

    def _take_due(self) -> list[Outlet]:
        """Some of those whose time has come; who has had something to send meanwhile only gets another time."""
        now, found = time.monotonic(), list[Outlet]()
        with self.lock:
            while self._due and self._due[0][0] <= now and len(found) < _AT_A_TIME:
                _, place, outlet = heapq.heappop(self._due)
                if outlet.ended:
                    continue
                if outlet.until > now:
                    heapq.heappush(self._due, (outlet.until, place, outlet))
                else:
                    found.append(outlet)
        return found

    def _put_back(self, outlets: list[Outlet]) -> None:
        soonest = time.monotonic() + _BEAT_SECONDS  # one that is held up has not got a later time
        with self.lock:
            for outlet in outlets:
                heapq.heappush(self._due, (max(outlet.until, soonest), id(outlet), outlet))


class _NeedsThread(Exception):
    """What comes next may take its time."""


class _Left(Exception):
    """The client is gone."""


class Outlet:
    """One of them. Who rings does what there is to do, unless somebody is doing it already."""

    __slots__ = (
        "_body",
        "_busy",
        "_connection",
        "_has_begun",
        "_is_asking",
        "_is_over",
        "_outlets",
        "_rung",
        "_steps",
        "_unsent",
        "_wait",
        "ended",
    )

    def __init__(self, outlets: Outlets, connection: int, beginning: bytes, steps: Steps, body: Body) -> None:
        self._outlets = outlets
        self._connection = connection
        self._unsent = beginning
        self._steps = steps
        self._body = body
        self._rung = self._busy = True  # `begin` comes first
        self._has_begun = self._is_asking = self._is_over = False
        self.ended = False
        self._wait: Wait | None = None  # where the reader waits

    @property
    def until(self) -> float:
        """When there is something to do though nothing has come."""
        return self._wait.until if self._wait is not None else 0.0

    def begin(self) -> None:
        """The first steps, in the thread of the request."""
        self._work(may_wait=True)

    def ring(self) -> None:
        """There may be something to do."""
        with self._outlets.lock:
            self._rung = True
            if self._busy:
                return
            self._busy = True
        self._work(may_wait=False)

    def _work(self, *, may_wait: bool) -> None:
        try:
            while not self.ended and self._takes_turn():
                self._advance(may_wait)
        except _NeedsThread:
            threading.Thread(target=self._work_in_thread, name="outlet", daemon=True).start()
        except _Left:
            self._end()
        except (SQLAlchemyError, RedisError) as error:
            log.warning("stream broken off", error=type(error).__name__)
            self._end()
        except Exception:
            log.exception("stream broken off")  # whoever rang must not suffer from it
            self._end()

    def _work_in_thread(self) -> None:
        self._rung = True
        with self._outlets.app.app_context():
            self._work(may_wait=True)

    def _takes_turn(self) -> bool:
        """Whether it was rung since the last turn; if not, the next to ring does what there is to do."""
        with self._outlets.lock:
            self._busy, self._rung = self._rung, False
        return self._busy

    def _advance(self, may_wait: bool) -> None:
        if self._has_begun:  # the head goes with the first words: who opens many streams is not ahead of us
            self._flush(may_wait)
        if not self._is_over:
            self._has_begun = True
            self._step(may_wait)
            self._flush(may_wait)
        if self._is_over:
            self._end()

    def _step(self, may_wait: bool) -> None:
        """Up to where the reader waits, or its end."""
        given = self._come() if self._wait is not None else None
        while True:
            try:
                step = self._take(given)
            except StopIteration:
                self._is_over = True
                self._unsent += self._body.last
                return
            given = self._wait = None
            self._is_asking = step is ASK
            if isinstance(step, Wait):
                self._wait = step
                step.subscription.ring = self.ring
                given = self._come()
                if given is None and time.monotonic() < step.until:
                    return
            elif step is not ASK:
                self._unsent += self._body.frame(step)
            elif not may_wait:
                self._flush(may_wait)
                raise _NeedsThread

    def _take(self, given: Item | None) -> Step:
        if not self._is_asking:
            return self._steps.send(given)
        with self._outlets.asking:
            return self._steps.send(given)

    def _come(self) -> Item | None:
        """What has come; whatever comes later rings."""
        assert self._wait is not None
        return self._wait.subscription.get(0)

    def _flush(self, may_wait: bool) -> None:
        while self._unsent:
            try:
                sent = os.write(self._connection, self._unsent)
            except BlockingIOError:
                if not may_wait:
                    raise _NeedsThread from None
                _until_writable(self._connection)
            except OSError:
                raise _Left from None
            else:
                self._unsent = self._unsent[sent:]

    def _end(self) -> None:
        self.ended = True
        self._steps.close()
        os.close(self._connection)


def _until_writable(connection: int) -> None:
    poll = select.poll()
    poll.register(connection, select.POLLOUT)
    poll.poll()
