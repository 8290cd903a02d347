"""A client of /ws: follows one thread and resumes after the last cursor it got."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import httpx2 as httpx
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.clients.client import Access, Client, Refused

SILENCE_SECONDS = 45.0  # a ping comes every 15


class WebSocket(Client):
    """WS /ws, subscribed to a thread until each of `replies` has ended; without any, until it is told to stop."""

    via = "websocket"
    scope = "thread"

    def __init__(
        self, access: Access, folder: Path, thread_id: str, replies: Iterable[str] = (), *, after: str | None = None
    ) -> None:
        super().__init__(access, folder, thread_id, replies)
        self.cursor = after
        self.connections: list[str] = []  # their ids, as the server names them
        self.closed: list[int] = []  # the codes with which the server closed them
        self._socket: socket.socket | None = None

    def stop(self) -> None:
        """Leave, even while nothing comes."""
        super().stop()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _once(self, http: httpx.Client) -> None:
        url = f"ws{self._access.url.removeprefix('http')}/ws"
        key = {"Authorization": f"Bearer {self._access.key}"}
        try:
            with connect(url, additional_headers=key, proxy=None, open_timeout=5, close_timeout=1) as connection:
                self._socket = connection.socket
                self._follow(connection)
        except InvalidStatus as error:
            if error.response.status_code < 500:
                raise Refused(f"{error.response.status_code} {error.response.body!r}") from None
            self._note(str(error.response.status_code))
        except (ConnectionClosed, InvalidHandshake, EOFError) as error:
            raise ConnectionError(type(error).__name__) from error

    def _follow(self, connection: ClientConnection) -> None:
        self.connections.append(json.loads(connection.recv(SILENCE_SECONDS))["connection_id"])
        self._note("connected")
        frame = {"type": "subscribe", "thread_id": self._id}
        connection.send(json.dumps(frame if self.cursor is None else frame | {"after": self.cursor}))
        try:
            while not self._done and not self._stopped.is_set():
                self._take(connection.recv(SILENCE_SECONDS))
        except ConnectionClosed as error:
            if error.rcvd is not None:
                self.closed.append(error.rcvd.code)
            raise

    def _take(self, text: str | bytes) -> None:
        event = json.loads(text)
        if event["type"] == "error":
            raise Refused(str(event))
        cursor = event["cursor"] if event["type"] == "thread.snapshot" else event.pop("cursor")
        self.cursor = cursor or self.cursor
        self._hear(event, cursor)
