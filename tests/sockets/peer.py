"""The other end of a connection: a client that sends what it likes, well-formed or not."""

from __future__ import annotations

import socket
from collections import deque
from typing import Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, Ping, Pong, TextMessage

SECONDS = 10.0


class Peer:
    """A client's side of a socket pair. It answers nothing by itself."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._protocol = Connection(ConnectionType.CLIENT)
        self._events: deque[Event] = deque()
        sock.settimeout(SECONDS)

    def say(self, text: str) -> None:
        """Send a message."""
        self.send(TextMessage(text))

    def send(self, event: Event) -> None:
        """Send a frame."""
        self.sock.sendall(self._protocol.send(event))

    def raw(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def hear(self) -> Event:
        """The next frame; a cut connection is one that closes with 1006."""
        while not self._events:
            try:
                data = self.sock.recv(65_536)
            except ConnectionError:
                data = b""
            self._protocol.receive_data(data or None)
            self._events.extend(self._protocol.events())
        return self._events.popleft()

    def text(self) -> str:
        """The next message, whole, past pings and pongs."""
        parts = []
        while True:
            event = self.hear()
            if isinstance(event, TextMessage):
                parts.append(event.data)
                if event.message_finished:
                    return "".join(parts)
            else:
                assert isinstance(event, Ping | Pong), event

    def ending(self) -> tuple[int, str | None]:
        """The code and reason of the next close frame."""
        event: Any = self.hear()
        while not isinstance(event, CloseConnection):
            event = self.hear()
        return int(event.code), event.reason
