"""Where the body of an HTTP/1.1 answer begins and ends (RFC 9112, sections 6 and 7), for bytes that come as they like.

The standard library's client waits in the middle of a chunk for the rest of it, and who reads for many must not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http.client import HTTPResponse

import httpx2

_LONGEST_LINE = 65_536
_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")


class Framing:
    """A body that ends with its connection. The others are made of this."""

    def __init__(self) -> None:
        self.is_over = False

    @property
    def is_clean(self) -> bool:
        """Whether the body is over and nothing came after it."""
        return False

    def feed(self, data: bytes) -> bytes:
        """What of it is the body. Raises httpx2.RemoteProtocolError for what no server may send."""
        return data

    def close(self) -> None:
        """The server has closed. Raises httpx2.RemoteProtocolError where that is too early."""
        self.is_over = True


class Sized(Framing):
    """A body of so many bytes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._left = size
        self._more = False
        self.is_over = not size

    @property
    def is_clean(self) -> bool:
        """Whether the body is over and nothing came after it."""
        return self.is_over and not self._more

    def feed(self, data: bytes) -> bytes:
        """What of it is the body."""
        part = data[: self._left]
        self._more = len(data) > self._left
        self._left -= len(part)
        self.is_over = not self._left
        return part

    def close(self) -> None:
        """The server has closed. Raises httpx2.RemoteProtocolError where that is too early."""
        _refuse_unless(self.is_over)


class Chunked(Framing):
    """A body in chunks, each after a line with its size."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = b""  # a line whose end has not come
        self._left = 0  # of the chunk
        self._line: Callable[[bytes], None] = self._size  # what the next line is

    @property
    def is_clean(self) -> bool:
        """Whether the body is over and nothing came after it."""
        return self.is_over and not self._rest

    def feed(self, data: bytes) -> bytes:
        """What of it is the body. Raises httpx2.RemoteProtocolError for what no server may send."""
        rest, parts = self._rest + data, list[bytes]()
        while rest and not self.is_over:
            if self._left:
                part, rest = rest[: self._left], rest[self._left :]
                self._left -= len(part)
                parts.append(part)
            else:
                line, ended, after = rest.partition(b"\n")
                _refuse_unless(len(line) <= _LONGEST_LINE)
                if not ended:
                    break
                rest = after
                self._line(line.removesuffix(b"\r"))
        self._rest = rest
        return b"".join(parts)

    def close(self) -> None:
        """The server has closed. Raises httpx2.RemoteProtocolError where that is too early."""
        _refuse_unless(self.is_over)

    def _size(self, line: bytes) -> None:
        size, _, _ = line.partition(b";")
        _refuse_unless(_SIZE.fullmatch(size.strip()) is not None)
        self._left = int(size, 16)
        self._line = self._end if self._left else self._trailer

    def _end(self, line: bytes) -> None:
        _refuse_unless(not line)
        self._line = self._size

    def _trailer(self, line: bytes) -> None:
        self.is_over = not line


def framing(response: HTTPResponse) -> Framing:
    """Of the body that follows this head."""
    if response.chunked:
        return Chunked()
    return Framing() if response.length is None else Sized(response.length)


def _refuse_unless(fits: bool) -> None:
    if not fits:
        raise httpx2.RemoteProtocolError("the body does not end as its head has said")
