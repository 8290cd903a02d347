"""What the system tests do as a client: post, poll, listen."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx2 as httpx

from tests.support.reader import TERMINAL, Reader
from tests.support.stack import Stack, until


def words(count: int) -> str:
    """What the scripted model says to `!words count`."""
    return " ".join(f"w{number}" for number in range(1, count + 1))


def post(client: httpx.Client, content: str, **more: Any) -> dict[str, Any]:
    """Post a message; the body of the 202."""
    answer = client.post("/api/messages", json={"content": content, "model": "scripted/echo", **more})
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


def poll(client: httpx.Client, reply_id: str, seconds: float = 30) -> dict[str, Any]:
    """The message once it has ended."""

    def ended() -> dict[str, Any] | None:
        message: dict[str, Any] = client.get(f"/api/messages/{reply_id}", params={"wait": 5}).json()
        return message if message["status"] in {"completed", "failed", "cancelled"} else None

    found: dict[str, Any] = until(ended, seconds, "the reply's end")
    return found


class Listening:
    """A listener on Redis pub/sub, as a trusted program would be."""

    def __init__(self, stack: Stack, thread_id: str) -> None:
        self.reader = Reader()
        self._redis = stack.redis()
        self._pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(f"thread:{{{thread_id}}}")
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not TERMINAL & set(self.reader.types):
            message = self._pubsub.get_message(timeout=1)
            if message is not None:
                assert message["data"].startswith('{"cursor":')
                event = json.loads(message["data"])
                self.reader.apply(event, event.pop("cursor"))

    def end(self) -> Reader:
        """What it heard, once the reply has ended."""
        self._thread.join(30)
        self._pubsub.close()
        self._redis.close()
        return self.reader
