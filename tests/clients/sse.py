"""Clients of the event streams: what EventSource does, with a limit for silence."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import httpx2 as httpx

from tests.clients.client import Access, Client, Refused
from tests.support.reader import events_in

SILENCE_SECONDS = 20.0  # a comment comes every 15


class _Sse(Client):
    """Follows one stream and resumes after the last cursor it got."""

    via = "sse"
    path = ""

    def __init__(
        self,
        access: Access,
        folder: Path,
        id_: str,
        replies: Iterable[str] = (),
        *,
        after: str | None = None,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        super().__init__(access, folder, id_, replies)
        self.cursor = after
        self._timeout = httpx.Timeout(5, read=silence_seconds)
        self._socket: socket.socket | None = None

    def stop(self) -> None:
        """Leave, even from a silent stream."""
        super().stop()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _once(self, http: httpx.Client) -> None:
        headers = {"Last-Event-ID": self.cursor} if self.cursor is not None else {}
        with http.stream("GET", self.path.format(self._id), headers=headers, timeout=self._timeout) as response:
            if not self._answered(response):
                return
            if response.status_code == 204:
                self._note("204")
                raise Refused("204, but replies are missing")
            self._note("connected")
            self._socket = response.extensions["network_stream"].get_extra_info("socket")
            self._listen(response)

    def _listen(self, response: httpx.Response) -> None:
        for event, cursor in events_in(response):
            self.cursor = cursor or self.cursor
            self._hear(event, cursor)
            if self._done or self._stopped.is_set():
                return
        self._note("closed")


class SseReply(_Sse):
    """GET /api/messages/{id}/events, to the reply's end."""

    path = "/api/messages/{}/events"

    def __init__(
        self,
        access: Access,
        folder: Path,
        id_: str,
        *,
        after: str | None = None,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        super().__init__(access, folder, id_, [id_], after=after, silence_seconds=silence_seconds)


class SseThread(_Sse):
    """GET /api/threads/{id}/events, until each of `replies` has ended; without any, until it is told to stop."""

    scope = "thread"
    path = "/api/threads/{}/events"
