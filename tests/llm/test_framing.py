"""Bodies are framed as the standard library's client frames them, wherever the network cuts them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from http.client import HTTPResponse
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.llm.framing import Chunked, Framing, framing

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
OPEN = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"

chunks = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
cuts = st.lists(st.integers(0, 300), max_size=8)


class Said:
    """A socket that has said so much."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self.content)


def theirs(content: bytes) -> HTTPResponse:
    """The library's response, its head read."""
    response = HTTPResponse(Said(content))  # type: ignore[arg-type]
    response.begin()
    return response


def read(of: Framing, body: bytes, places: Iterable[int] = ()) -> bytes:
    """What `of` makes of it, cut in these places."""
    found = [of.feed(body[begin:end]) for begin, end in pairwise([0, *sorted(places), None])]
    return b"".join(found)


def written(parts: Iterable[bytes], end: bytes = b"\r\n") -> bytes:
    lines = [b"%x%s%s%s" % (len(part), end, part, end) for part in parts]
    return b"".join([*lines, b"0", end, end])


@settings(max_examples=300, deadline=None)
@given(chunks, cuts, st.sampled_from([b"\r\n", b"\n"]))
def test_chunks_cut_anywhere_are_the_body_that_the_library_reads(parts: list[bytes], at: list[int], end: bytes) -> None:
    body, mine = written(parts, end), Chunked()
    assert read(mine, body, at) == b"".join(parts)
    assert (mine.is_over, mine.is_clean) == (True, True)
    if end == b"\r\n":
        assert theirs(CHUNKED + body).read() == b"".join(parts)


@given(chunks, st.integers(0, 300))
def test_a_chunked_body_is_over_with_its_last_byte_and_not_before(parts: list[bytes], at: int) -> None:
    body, mine = written(parts), Chunked()
    early = body[: min(at, len(body) - 1)]
    assert b"".join(parts).startswith(read(mine, early))
    assert (mine.is_over, mine.is_clean) == (False, False)
    with pytest.raises(httpx2.RemoteProtocolError):
        mine.close()


def test_what_has_come_of_a_chunk_need_not_wait_for_its_rest() -> None:
    mine = Chunked()
    assert [mine.feed(part) for part in (b"a\r\n01234", b"5678", b"9\r\n1", b"\r\nx")] == [
        b"01234",
        b"5678",
        b"9",
        b"x",
    ]


def test_sizes_may_have_extensions_and_the_end_may_have_trailers() -> None:
    body, mine = b"3;a=b\r\nabc\r\n00 ; x\r\nExpires: never\r\nSigned: no\r\n\r\n", Chunked()
    assert read(mine, body, [1, 20, 30, 45]) == b"abc"
    assert mine.is_clean


def test_bytes_after_the_end_are_no_body_and_leave_the_connection_unclean() -> None:
    for of, body in ((Chunked(), b"1\r\nx\r\n0\r\n\r\nHTTP/1.1 200"), (framing(theirs(SIZED % 1)), b"xHTTP/1.1 200")):
        assert of.feed(body) == b"x"
        assert (of.is_over, of.is_clean) == (True, False)


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n",
        b"x\r\nabc",
        b"-3\r\nabc",
        b"0x3\r\nabc",
        b"1_0\r\nabc",
        b"3\r\nabcd\r\n",
        b"f" * 70_000,
        b"1" * 16 + b"\r\n",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_no_server_may_send_is_refused(body: bytes) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        Chunked().feed(body)


@given(st.binary(max_size=60), cuts)
def test_a_body_of_a_given_size_ends_there(content: bytes, at: list[int]) -> None:
    mine = framing(theirs(SIZED % len(content)))
    assert mine.is_over is (not content)
    assert read(mine, content, at) == content
    assert mine.is_clean
    mine.close()


def test_one_that_is_too_short_is_no_body() -> None:
    mine = framing(theirs(SIZED % 5))
    assert mine.feed(b"abc") == b"abc"
    with pytest.raises(httpx2.RemoteProtocolError):
        mine.close()


def test_a_body_without_a_size_ends_with_its_connection_which_serves_nobody_else() -> None:
    mine = framing(theirs(OPEN))
    assert (mine.feed(b"abc"), mine.is_over) == (b"abc", False)
    mine.close()
    assert (mine.is_over, mine.is_clean) == (True, False)


def test_answers_that_have_no_body_are_over_at_once() -> None:
    assert framing(theirs(b"HTTP/1.1 204 No Content\r\n\r\n")).is_over
