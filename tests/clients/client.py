"""What all clients have in common: a thread, a transcript, and the patience to connect again."""

from __future__ import annotations

import itertools
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx2 as httpx
from redis.exceptions import RedisError

from tests.clients.transcript import Transcript
from tests.support.reader import Reader

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # httpx loads all root certificates for each client otherwise
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
LONGEST_WISH = 3.0  # of a Retry-After

_numbers = itertools.count(1)


class Refused(Exception):
    """The answer was no, and asking again would not change it."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where to connect, and as whom."""

    url: str
    key: str
    user_id: str
    redis_url: str = ""


class Client:
    """Follows some replies in a thread of its own until each has ended, it is refused, or it is told to stop.

    `tokens` are the moments (time.time()) at which it came to know new text of a reply.
    """

    via = ""
    scope = "message"

    def __init__(self, access: Access, folder: Path, id_: str, replies: Iterable[str] = ()) -> None:
        self.name = f"{self.via}-{next(_numbers)}"
        self.reader = Reader()
        self.tokens: list[float] = []
        self.ended = False
        self.failure: Exception | None = None
        self._access = access
        self._id = id_
        self._replies = set(replies)
        self._pause = FIRST_PAUSE
        self._news = threading.Condition()
        self._stopped = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        self.transcript = Transcript(folder / f"{self.name}.jsonl")
        self._thread = threading.Thread(target=self._live, name=self.name, daemon=True)

    def start(self) -> Self:
        """Begin."""
        opened = {"client": self.name, "via": self.via, "user_id": self._access.user_id}
        self.transcript.write(open={**opened, "scope": self.scope, "id": self._id})
        self._thread.start()
        return self

    def stop(self) -> None:
        """Leave, whatever is missing."""
        self._stopped.set()

    def follow(self, reply_id: str) -> None:
        """Stay until this reply has ended as well."""
        self._replies.add(reply_id)

    def join(self, seconds: float = 60) -> None:
        """Wait for its end; fails when it does not come, or came by an error."""
        self._thread.join(max(0.0, seconds))
        assert not self._thread.is_alive(), f"{self} has not ended"
        if self.failure is not None:
            raise AssertionError(f"{self} gave up: {self.failure!r}") from self.failure

    def leave(self, seconds: float = 15) -> None:
        """Wait for its thread, however it ended; for the end of a test."""
        self.stop()
        self._thread.join(seconds)

    def text(self, reply_id: str) -> str:
        """What it would show of the reply now."""
        reply = self.reader.replies.get(reply_id)
        return reply.whole if reply is not None else ""

    def status(self, reply_id: str) -> str | None:
        """The reply's status as far as it knows; None before it heard of it."""
        reply = self.reader.replies.get(reply_id)
        return reply.status if reply is not None else None

    def wait_for(self, condition: Callable[[], Any], seconds: float = 15) -> Any:
        """The first truthy value of `condition`, asked at every piece of news; fails when there is none."""
        with self._news:
            value = self._news.wait_for(condition, seconds)
        assert value, f"{self} did not see it within {seconds} s"
        return value

    @property
    def missing(self) -> list[str]:
        """The replies it waits for."""
        ended = {id_ for id_, reply in self.reader.replies.copy().items() if reply.last is not None}
        return sorted(self._replies - ended)

    def __str__(self) -> str:
        known = {id_: (self.status(id_), len(self.text(id_))) for id_ in self.missing}
        return f"{self.name} ({self.transcript.path}), which waits for {known}"

    def _live(self) -> None:
        headers = {"Authorization": f"Bearer {self._access.key}"}
        try:
            with httpx.Client(base_url=self._access.url, headers=headers, timeout=10, verify=NO_TLS) as http:
                self._until_ended(http)
        except Exception as error:  # for join, in the test's thread
            self.failure = error
            self._note(f"gave up: {error!r}")
        finally:
            self.transcript.close()
            with self._news:
                self._news.notify_all()

    def _until_ended(self, http: httpx.Client) -> None:
        while not self._stopped.is_set() and not self._done:
            try:
                self._once(http)
            except (httpx.TransportError, RedisError, OSError) as error:
                if not self._stopped.is_set():
                    self._note(f"cut: {type(error).__name__}")
            if not self._done:
                self._rest()
        if self._done:
            self.transcript.write(end=self._outcome())
            self.ended = True

    def _once(self, http: httpx.Client) -> None:
        """One connection, or one request."""
        raise NotImplementedError

    @property
    def _done(self) -> bool:
        return bool(self._replies) and not self.missing

    def _outcome(self) -> dict[str, dict[str, Any]]:
        replies = sorted(self._replies)
        return {
            "texts": {id_: self.text(id_) for id_ in replies},
            "statuses": {id_: self.status(id_) for id_ in replies},
        }

    def _rest(self) -> None:
        """Longer each time, until something was received."""
        self._stopped.wait(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _note(self, text: str) -> None:
        self.transcript.write(note=text)

    def _answered(self, response: httpx.Response) -> bool:
        """Whether the answer is the one hoped for; False where to ask again. Raises Refused."""
        if response.status_code < 300:
            return True
        if response.status_code < 500 and response.status_code != 429:
            raise Refused(f"{response.status_code} {response.read().decode(errors='replace')[:300]}")
        self._note(str(response.status_code))
        wish = response.headers.get("retry-after", "")
        self._pause = max(self._pause, min(float(wish), LONGEST_WISH)) if wish.isdigit() else self._pause
        return False

    def _hear(self, event: dict[str, Any], cursor: str | None) -> None:
        """Write an event down and apply it."""
        self.transcript.write(cursor=cursor, event=event)
        self._apply(event, cursor)

    def _apply(self, event: dict[str, Any], cursor: str | None) -> None:
        self._learn(lambda: self.reader.apply(event, cursor))

    def _polled(self, message: dict[str, Any]) -> None:
        """Write a message down that was read, and adopt it."""
        self.transcript.write(polled=message)
        self._learn(lambda: self.reader.adopt(message))

    def _learn(self, change: Callable[[], None]) -> None:
        before = self._known()
        change()
        self._pause = FIRST_PAUSE
        if self._known() - before:
            self.tokens.append(time.time())
        with self._news:
            self._news.notify_all()

    def _known(self) -> set[tuple[str, int, int]]:
        return {(id_, reply.attempt, len(reply.text)) for id_, reply in self.reader.replies.items() if reply.text}
