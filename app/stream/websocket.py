"""One WebSocket connection on the socket of a WSGI server: its messages, its heartbeat and its end."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from uuid import UUID

from wsproto.connection import Connection as Protocol
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import LocalProtocolError

from app.ids import new_id
from app.stream.incoming import Incoming, Unreadable

__all__ = ["Connection", "Gone", "Unreadable"]

NORMAL, ABNORMAL, POLICY, INTERNAL_ERROR, RESTART, TRY_LATER = 1000, 1006, 1008, 1011, 1012, 1013

_CHUNK = 65_536
_STALL_SECONDS = 20.0  # without a byte taken by the client, while there is something to send
_GOODBYE_SECONDS = 1.0  # for each of: the turn to send, the sending, the client's answer


class Gone(Exception):
    """The connection has ended, or is ending: nothing more can be sent and nothing more comes."""


class Connection:
    """A connection whose handshake is done. One thread receives; any may send and close.

    `longest`: bytes of a message; `beat_seconds`: silence after which the client is asked for a sign of life.
    `sent` and `received` count messages; `lag_ms` is the most by which one was late, where the sender knows;
    `ending` is (code, reason) once it ends.
    """

    def __init__(self, sock: socket.socket, *, longest: int, beat_seconds: float) -> None:
        self.id: UUID = new_id()
        self.sent = self.received = 0
        self.lag_ms = 0.0
        self.ending: tuple[int, str] | None = None
        self._sock = sock
        self._incoming = Incoming(longest)
        self._protocol = Protocol(ConnectionType.SERVER)
        self._turn = threading.Lock()  # to send: whole frames, one after the other
        self._deciding = threading.Lock()  # why it ends: the first reason counts
        self._finished = threading.Event()
        self._leaving = False  # by our own will: nothing that still arrives is heard
        self._over = False
        self._asked = False  # for a sign of life, and none has come since
        sock.settimeout(beat_seconds)

    def receive(self) -> str:
        """The next message. Raises Unreadable, as often as there is cause, and Gone at the end."""
        while not (self._incoming or self._over or self._leaving):
            self._read()
        if self._leaving or not self._incoming:
            raise Gone
        self.received += 1
        return self._incoming.take()

    def send(self, text: str) -> None:
        """Send one message, waiting while the client takes what came before. Raises Gone."""
        self._transmit(TextMessage(text))
        self.sent += 1

    def close(self, code: int, reason: str) -> None:
        """End it, from any thread and without waiting. The client has a second to agree."""
        if self._decide(code, reason):
            self._leaving = True
            threading.Thread(target=self._say_goodbye, name="goodbye", daemon=True).start()

    def finish(self) -> None:
        """See it to its end and let the socket go; for the thread that receives, when it has no more use for it."""
        self.close(NORMAL, "")
        while not self._over:
            self._read()
        self._linger()
        self._finished.set()

    def offended(self) -> None:
        """Note a message that could not be read: one in a while is answered, one after the other ends it."""
        if self._incoming.offended():
            self.close(POLICY, "too many messages that cannot be read")

    def late(self, milliseconds: float) -> None:
        """Note by how much a message that was just sent was late."""
        self.lag_ms = max(self.lag_ms, milliseconds)

    # ---- receiving

    def _read(self) -> None:
        try:
            chunk = self._sock.recv(_CHUNK)
        except TimeoutError:
            self._beat()
            return
        except OSError as error:
            self._abort(type(error).__name__)
            return
        if not chunk:
            self._abort("cut")
            return
        self._asked = False
        self._protocol.receive_data(chunk)
        for event in self._protocol.events():
            self._take(event)

    def _beat(self) -> None:
        """The client has been silent for a while: ask for a sign of life, or take it for dead."""
        if self._asked or self._leaving:
            self._abort("silent")
            return
        self._asked = True
        with suppress(Gone):
            self._transmit(Ping())

    def _take(self, event: Event) -> None:
        if isinstance(event, TextMessage | BytesMessage):
            if self._incoming.add(event):
                self.offended()
        elif isinstance(event, Ping):
            with suppress(Gone):
                self._transmit(event.response())
        elif isinstance(event, CloseConnection):
            self._part(event)

    def _part(self, event: CloseConnection) -> None:
        """The client says goodbye, or has broken the protocol, after which nothing it sends can be understood."""
        broken = self._protocol.state is ConnectionState.OPEN
        self._decide(int(event.code), (event.reason or "") if broken else "left by the client")
        with suppress(Gone):
            self._transmit(event.response())
        self._over = True

    # ---- sending

    def _transmit(self, event: Event) -> None:
        with self._turn:
            self._write(event)

    def _write(self, event: Event) -> None:
        """Send a frame, in one's turn. Raises Gone."""
        if self._over or (self._leaving and not isinstance(event, CloseConnection)):
            raise Gone
        try:
            rest = memoryview(self._protocol.send(event))
        except LocalProtocolError:  # one side has said goodbye already
            raise Gone from None
        moved = time.monotonic()
        while rest:
            try:
                rest = rest[self._sock.send(rest) :]
                moved = time.monotonic()
            except TimeoutError:
                self._bear(time.monotonic() - moved)
            except OSError as error:
                self._abort(type(error).__name__)
                raise Gone from None

    def _bear(self, stalled: float) -> None:
        """The client takes nothing: bear it for some time, for less when it shall go anyway. Raises Gone."""
        if stalled > (_STALL_SECONDS if self.ending is None else 0):
            self._abort("stalled")
            raise Gone

    # ---- ending

    def _decide(self, code: int, reason: str) -> bool:
        """Whether this is why it ends."""
        with self._deciding:
            if self.ending is not None:
                return False
            self.ending = code, reason
            return True

    def _say_goodbye(self) -> None:
        assert self.ending is not None
        code, reason = self.ending
        with suppress(OSError):  # it may have ended by itself, just now
            self._sock.settimeout(_GOODBYE_SECONDS)
        if self._turn.acquire(timeout=_GOODBYE_SECONDS):
            try:
                self._write(CloseConnection(code=code, reason=reason))
            except Gone:
                return
            finally:
                self._turn.release()
        if not self._finished.wait(_GOODBYE_SECONDS):
            self._abort("no goodbye")

    def _abort(self, reason: str) -> None:
        """End it without a word; whoever waits for the socket wakes up."""
        self._decide(ABNORMAL, reason)
        self._over = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _linger(self) -> None:
        """Read what is still on its way: closed with something unread, the socket would take our last words back."""
        deadline = time.monotonic() + _GOODBYE_SECONDS
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0:
                self._sock.settimeout(left)
                if not self._sock.recv(_CHUNK):
                    return
