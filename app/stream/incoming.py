"""Messages put together from the pieces in which they arrive, within limits; and what cannot be read, counted."""

from __future__ import annotations

import time
from collections import deque

from wsproto.events import BytesMessage, TextMessage

_OFFENCES = 10  # in a row; the last one is too many
_FORGIVING_SECONDS = 5.0  # after which one of them is forgotten


class Unreadable(Exception):
    """A message arrived that nobody here can read; the connection goes on."""

    code = "malformed_json"


class Binary(Unreadable):
    """Only text is spoken here."""

    code = "unsupported_media_type"


class TooLong(Unreadable):
    """It is longer than a message may be; the rest of it is dropped as it comes."""

    code = "payload_too_large"


class Incoming:
    """What has arrived and was not taken yet. `longest`: bytes of a message; more than that is never kept."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._complete: deque[str | Unreadable] = deque()
        self._pieces: list[str] = []
        self._size = 0
        self._offences = 0.0
        self._offended_at = time.monotonic()

    def __bool__(self) -> bool:
        """Whether there is something to take."""
        return bool(self._complete)

    def take(self) -> str:
        """The oldest message. Raises Unreadable in its place where it was none."""
        message = self._complete.popleft()
        if isinstance(message, Unreadable):
            raise message
        return message

    def add(self, piece: TextMessage | BytesMessage) -> bool:
        """Add a piece; whether so much is being dropped that it is an offence of its own."""
        text = piece.data if isinstance(piece, TextMessage) else None
        before, self._size = self._size, self._size + len(piece.data if text is None else text.encode())
        if self._size > self._longest:
            self._drop(first=before <= self._longest)
        elif text is not None:
            self._pieces.append(text)
        endless = before // self._longest < self._size // self._longest and before > self._longest
        if piece.message_finished:
            self._finish(is_text=text is not None)
        return endless

    def offended(self) -> bool:
        """Note an unreadable message; whether it is one too many."""
        moment = time.monotonic()
        forgiven = (moment - self._offended_at) / _FORGIVING_SECONDS
        self._offences, self._offended_at = max(0.0, self._offences - forgiven) + 1, moment
        return self._offences > _OFFENCES - 1

    def _drop(self, *, first: bool) -> None:
        self._pieces = []
        if first:
            self._complete.append(TooLong(f"A message may have at most {self._longest} bytes; this one was dropped."))

    def _finish(self, *, is_text: bool) -> None:
        if self._size <= self._longest:
            whole = "".join(self._pieces) if is_text else Binary("Only text is understood; this message was binary.")
            self._complete.append(whole)
        self._pieces, self._size = [], 0
