"""A client that asks again and again."""

from __future__ import annotations

from pathlib import Path

import httpx2 as httpx

from tests.clients.client import Access, Client

PERSON_PAUSE = 0.5  # while a person is waited for, ?wait= answers at once


class Polling(Client):
    """GET /api/messages/{id}?wait=…, until the reply has ended. `wait` in seconds."""

    via = "polling"

    def __init__(self, access: Access, folder: Path, id_: str, *, wait: float = 1.0) -> None:
        super().__init__(access, folder, id_, [id_])
        self._wait = wait

    def _once(self, http: httpx.Client) -> None:
        path, timeout = f"/api/messages/{self._id}", httpx.Timeout(5, read=self._wait + 5)
        while not self._done and not self._stopped.is_set():
            response = http.get(path, params={"wait": self._wait}, timeout=timeout)
            if not self._answered(response):
                return
            message = response.json()
            self._polled(message)
            if message["status"] == "requires_action" or not self._wait:
                self._stopped.wait(PERSON_PAUSE)
