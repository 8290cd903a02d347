"""Server-sent events as providers send them, one for each token.

httpx2's reader, which also knows ids and when to come again, took a third of what a token costs here (ADR 9).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import httpx2

# More than any answer to one question, and little enough to be held for every reply at once.
LONGEST_BYTES = 1_048_576

_DATA, _NAME = b"data", b"event"


def read(response: httpx2.Response) -> Iterator[tuple[str, str]]:
    """Name ("message" where it has none) and data of each event that has data, to the end of the stream.

    Raises httpx2.SSEError for a response that is no event stream or an event of more than `LONGEST_BYTES`, and
    httpx2.TransportError for whatever the network does.
    """
    kind, _, _ = response.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "text/event-stream":
        raise httpx2.SSEError(f"not an event stream, but {kind.strip()!r}")
    name, data, size = b"", list[bytes](), 0
    for line in _lines(response.iter_bytes()):
        if line:
            size += len(line)
            _limit(size)
            field, _, value = line.partition(b":")
            if field == _DATA:
                data.append(value.removeprefix(b" "))
            elif field == _NAME:
                name = value.removeprefix(b" ")
        else:
            if said := b"\n".join(data):
                yield _text(name) or "message", _text(said)
            name, data, size = b"", [], 0


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines without their ends, each as soon as it has ended; a return may be the first half of an end."""
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).splitlines(keepends=True)
        rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        _limit(len(rest))
        for line in lines:
            yield line.rstrip(b"\r\n")
    if rest.endswith(b"\r"):
        yield rest[:-1]


def _limit(size: int) -> None:
    if size > LONGEST_BYTES:
        raise httpx2.SSEError(f"an event of more than {LONGEST_BYTES} bytes")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
