"""A client that posts, and repeats the same post until it is answered."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx

from tests.clients.client import FIRST_PAUSE, Access, Client, Refused

ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Posted:
    """The answer to a post; `reply` is None where it was refused, and `body` then says why."""

    status: int
    idempotency_key: str
    body: dict[str, Any]

    @property
    def thread_id(self) -> str:
        """The thread it went to."""
        return str(self.body["thread"]["id"])

    @property
    def message_id(self) -> str:
        """The user's message."""
        return str(self.body["message"]["id"])

    @property
    def id(self) -> str:
        """The reply to come."""
        return str(self.body["reply"]["id"])


class Poster(Client):
    """Does what it is told one after the other. `join` lets it end once all is done; `stop` drops what is left."""

    via = "post"
    scope = "thread"

    def __init__(self, access: Access, folder: Path, thread_id: str = "") -> None:
        super().__init__(access, folder, thread_id)
        self._work: queue.SimpleQueue[Callable[[httpx.Client], None] | None] = queue.SimpleQueue()
        self._finished = False

    def post(
        self, content: str, *, key: str | None = None, thread_id: str | None = None, **more: Any
    ) -> Future[Posted]:
        """POST /api/messages under `key`, by default one of its own. 5xx, 429 and lost answers are not answers."""
        body = {"content": content, **({"thread_id": thread_id} if thread_id else {}), **more}
        headers = {"Idempotency-Key": key or uuid4().hex}
        return self._later(lambda http: self._post(http, body, headers))

    def cancel(self, message_id: str) -> Future[int]:
        """POST /api/messages/{id}/cancel; the status of the answer."""
        return self._later(lambda http: self._cancel(http, message_id))

    def stop(self) -> None:
        """Leave; posts without an answer are cancelled."""
        super().stop()
        self._work.put(None)

    def join(self, seconds: float = 60) -> None:
        """Wait until all is answered."""
        self._work.put(None)
        super().join(seconds)

    @property
    def _done(self) -> bool:
        return self._finished

    def _once(self, http: httpx.Client) -> None:
        while (work := self._work.get()) is not None:
            work(http)
        self._finished = not self._stopped.is_set()

    def _later(self, work: Callable[[httpx.Client], Any]) -> Future[Any]:
        future: Future[Any] = Future()

        def run(http: httpx.Client) -> None:
            try:
                future.set_result(work(http))
            except Refused:
                future.cancel()
            except Exception as error:
                future.set_exception(error)
                raise

        self._work.put(run)
        return future

    def _post(self, http: httpx.Client, body: dict[str, Any], headers: dict[str, str]) -> Posted:
        response = self._until_answered(lambda: http.post("/api/messages", json=body, headers=headers))
        posted = Posted(response.status_code, headers["Idempotency-Key"], response.json())
        line = {"status": posted.status, "idempotency_key": posted.idempotency_key, "content": body["content"]}
        if response.is_success:
            line |= {"thread_id": posted.thread_id, "message_id": posted.message_id, "reply_id": posted.id}
        self.transcript.write(posted=line)
        return posted

    def _cancel(self, http: httpx.Client, message_id: str) -> int:
        response = self._until_answered(lambda: http.post(f"/api/messages/{message_id}/cancel"))
        if response.is_success:
            self.transcript.write(cancelled={"message_id": message_id, "status": response.status_code})
        else:
            self._note(f"cancel refused: {response.status_code}")
        return response.status_code

    def _until_answered(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """Raises Refused when it is told to stop before an answer came."""
        while not self._stopped.is_set():
            try:
                response = send()
            except httpx.TransportError as error:
                self._note(f"cut: {type(error).__name__}")
            else:
                if response.status_code < 500 and response.status_code != 429:
                    self._pause = FIRST_PAUSE
                    return response
                self._answered(response)  # notes it, and how long to wait
            self._rest()
        raise Refused("told to stop")
