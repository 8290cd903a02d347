"""Server-sent events as providers send them, one for each token.

httpx2's reader, which also knows ids and when to come again, took a third of what a token costs here (ADR 9).
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx2

# More than any answer to one question, and little enough to be held for every reply at once.
LONGEST_BYTES = 1_048_576

_DATA, _NAME = b"data", b"event"


def check(response: httpx2.Response) -> None:
    """Raises httpx2.SSEError for a response that is no event stream."""
    kind, _, _ = response.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "text/event-stream":
        raise httpx2.SSEError(f"not an event stream, but {kind.strip()!r}")


class Reader:
    """Reads one stream, which may be cut anywhere; each line as soon as it has ended."""

    def __init__(self) -> None:
        self._rest = b""  # a line whose end has not come
        self._returned = False  # what comes next may be the second half of an end
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, part: bytes) -> Iterator[tuple[str, str]]:
        """Name ("message" where it has none) and data of each event that has data and ends here.

        Raises httpx2.SSEError for one of more than `LONGEST_BYTES`.
        """
        for line in self._lines(part):
            if line:
                self._take(line)
            else:
                name, data = self._name, b"\n".join(self._data)
                self._name, self._data, self._size = b"", [], 0
                if data:
                    yield _text(name) or "message", _text(data)

    def _lines(self, part: bytes) -> list[bytes]:
        if self._returned and part.startswith(b"\n"):
            part = part[1:]
        self._returned = part.endswith(b"\r")
        lines = (self._rest + part).splitlines()
        self._rest = lines.pop() if lines and not part.endswith((b"\n", b"\r")) else b""
        _limit(len(self._rest))
        return lines

    def _take(self, line: bytes) -> None:
        self._size += len(line)
        _limit(self._size)
        field, _, value = line.partition(b":")
        if field == _DATA:
            self._data.append(value.removeprefix(b" "))
        elif field == _NAME:
            self._name = value.removeprefix(b" ")


def _limit(size: int) -> None:
    if size > LONGEST_BYTES:
        raise httpx2.SSEError(f"an event of more than {LONGEST_BYTES} bytes")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
