"""A trusted listener on Redis pub/sub, which heals from the log, and from the database where the log was lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.clients.client import Access, Client

REDIS_SECONDS = 2.0
SILENCE_SECONDS = 5.0  # after which it looks whether it has missed something
GAP_SECONDS = 0.5  # between two looks while text is missing

Entry = tuple[str, dict[str, Any]]


class PubSub(Client):
    """Channel `thread:{id}`: of one reply with `reply_id`, else of the whole thread until `replies` have ended."""

    via = "pubsub"

    def __init__(
        self,
        access: Access,
        folder: Path,
        thread_id: str,
        reply_id: str | None = None,
        replies: Iterable[str] = (),
    ) -> None:
        self.scope = "message" if reply_id else "thread"
        super().__init__(access, folder, reply_id or thread_id, [reply_id] if reply_id else replies)
        self.cursor: str | None = None
        self._reply_id = reply_id
        self._channel = f"thread:{{{thread_id}}}"
        self._unjoined: list[dict[str, Any]] = []
        self._looked = 0.0

    def _once(self, http: httpx.Client) -> None:
        # Without retries: redis-py would reconnect by itself and not say that messages were lost.
        with (
            redis.Redis.from_url(
                self._access.redis_url,
                decode_responses=True,
                socket_timeout=REDIS_SECONDS,
                socket_connect_timeout=REDIS_SECONDS,
                retry=Retry(NoBackoff(), 0),
            ) as client,
            client.pubsub() as channel,
        ):
            channel.subscribe(self._channel)
            if channel.get_message(timeout=REDIS_SECONDS) is None:
                raise TimeoutError("no confirmation")
            self._note("connected")
            self._heal(client, http)
            self._listen(channel, client, http)

    def _listen(self, channel: Any, client: redis.Redis, http: httpx.Client) -> None:
        heard = time.monotonic()
        while not self._done and not self._stopped.is_set():
            message = channel.get_message(timeout=0.2)
            if message is not None:
                heard = time.monotonic()
                event = json.loads(message["data"])
                self._take(event.pop("cursor"), event)
            silent = time.monotonic() - heard > SILENCE_SECONDS
            if (silent or self._unjoined) and time.monotonic() - self._looked > GAP_SECONDS:
                heard = time.monotonic()
                self._note("silence" if silent else "gap")
                self._heal(client, http)

    def _heal(self, client: redis.Redis, http: httpx.Client) -> None:
        """What the log has after the cursor; where it does not hold the cursor, the rows and all that the log has."""
        entries, known = self._log(client)
        if not known or self._unjoined:
            for reply_id in {*self.missing, *(event["message_id"] for event in self._unjoined)}:
                self._get(http, reply_id)
        for cursor, event in entries:
            if not self._done:
                self._take(cursor, event)
        self._looked = time.monotonic()

    def _log(self, client: redis.Redis) -> tuple[list[Entry], bool]:
        """The entries after the cursor, and whether the log still holds the cursor itself."""
        after = self.cursor or "0-0"
        pipeline = client.pipeline(transaction=True)
        pipeline.xrange(f"{self._channel}:events", after, after)
        pipeline.xrange(f"{self._channel}:events", f"({after}", "+")
        exact, entries = pipeline.execute()
        return [(cursor, json.loads(fields["e"])) for cursor, fields in entries], bool(exact)

    def _get(self, http: httpx.Client, reply_id: str) -> None:
        response = http.get(f"/api/messages/{reply_id}", timeout=5)
        if self._answered(response):
            self._polled(response.json())
            waiting, self._unjoined = self._unjoined, []
            for event in waiting:
                self._apply(event, None)

    def _take(self, cursor: str, event: dict[str, Any]) -> None:
        """An event that was not taken yet and is not another reply's."""
        if self.cursor is not None and _order(cursor) <= _order(self.cursor):
            return
        self.cursor = cursor
        if self._reply_id in {None, event.get("message_id")}:
            self._hear(event, cursor)

    def _apply(self, event: dict[str, Any], cursor: str | None) -> None:
        """Keep what does not join, until the text before it is known."""
        gaps = self.reader.gaps
        super()._apply(event, cursor)
        if self.reader.gaps > gaps:
            self._unjoined.append(event)


def _order(cursor: str) -> tuple[int, ...]:
    return tuple(map(int, cursor.split("-")))
