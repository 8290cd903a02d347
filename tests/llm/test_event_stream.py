"""Events are read as httpx2 reads them, wherever the network cuts the stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.llm.event_stream import LONGEST_BYTES, Reader, check

PIECES = [
    "data",
    "data:",
    "data: ",
    "event: ",
    "event:ping",
    "id: 7",
    "retry: 5",
    ": a comment",
    "dataset: ",
    "x",
    " ",
    "ü€🙂",
    "\u2028",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
]


class Chunks(httpx2.SyncByteStream):
    """A body that comes in these pieces."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks


def response(*chunks: bytes, kind: str = "text/event-stream") -> httpx2.Response:
    request = httpx2.Request("POST", "http://provider.test/")
    return httpx2.Response(200, headers={"content-type": kind}, stream=Chunks(chunks), request=request)


def read(*parts: bytes) -> list[tuple[str, str]]:
    """The events of a stream that comes in these pieces."""
    reader = Reader()
    return [event for part in parts for event in reader.feed(part)]


def test_an_event_is_there_with_its_last_byte() -> None:
    reader = Reader()
    assert [list(reader.feed(part)) for part in (b"event: a\nda", b'ta: {"x":\ndata:  1}\n')] == [[], []]
    assert [*reader.feed(b"\n"), *reader.feed(b"data: next\n\ndata: half")] == [
        ("a", '{"x":\n 1}'),
        ("message", "next"),
    ]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30), st.lists(st.integers(0, 80), max_size=6))
@example(["data: ", "x", "\r", "\n", "\r\n"], [8, 9])
@example(["data: ", "ü€🙂", "\n\n"], [7, 9, 13])
def test_any_stream_cut_anywhere_is_read_as_httpx2_reads_it(pieces: list[str], cuts: list[int]) -> None:
    # With a line that has no end: a return as the very last byte httpx2 takes for the end of an event too.
    body, places = "".join([*pieces, ":"]).encode(), [0, *sorted(cuts), None]
    chunks = [body[begin:end] for begin, end in pairwise(places)]
    theirs = [(event.event, event.data) for event in httpx2.EventSource(response(*chunks)) if event.data]
    assert read(*chunks) == theirs


def test_a_return_at_the_very_end_ends_its_line_alone() -> None:
    assert read(b"data: 1\n\r") == [("message", "1")]
    assert read(b"data: 1\r") == []


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert read(b"data: a\xffb\n\n") == [("message", "a\ufffdb")]


@pytest.mark.parametrize("kind", ["text/event-stream; charset=utf-8", "Text/Event-Stream"])
def test_the_type_may_have_parameters_and_capitals(kind: str) -> None:
    check(response(kind=kind))


@pytest.mark.parametrize("kind", ["application/json", ""])
def test_what_is_no_event_stream_is_not_read(kind: str) -> None:
    with pytest.raises(httpx2.SSEError, match="not an event stream"):
        check(response(kind=kind))


@pytest.mark.parametrize("line", [b"data: " + b"x" * 1000, b"data: " + b"x" * 1000 + b"\n"])
def test_an_event_without_an_end_is_not_read_for_ever(line: bytes) -> None:
    with pytest.raises(httpx2.SSEError, match="more than"):
        read(*[line] * (2 * LONGEST_BYTES // 1000))


def test_a_long_event_is_read() -> None:
    text = "x" * (LONGEST_BYTES - 10)
    assert read(b"data: ", text.encode(), b"\n\n") == [("message", text)]
