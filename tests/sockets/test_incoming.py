"""Messages put together from pieces: whole ones, long ones, endless ones, and those that nobody can read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.events import BytesMessage, TextMessage

from app.stream import incoming
from app.stream.incoming import Binary, Incoming, TooLong, Unreadable

PIECES = st.lists(st.text(max_size=12), min_size=1, max_size=6)


def feed(into: Incoming, pieces: list[str] | list[bytes]) -> list[bool]:
    """Add one message in these pieces; whether each was an offence of its own."""
    kind = TextMessage if isinstance(pieces[0], str) else BytesMessage
    return [
        into.add(kind(piece, frame_finished=True, message_finished=number == len(pieces)))
        for number, piece in enumerate(pieces, 1)
    ]


def taken(from_: Incoming) -> list[str | type[Unreadable]]:
    """What is there, an error as its class."""
    found: list[str | type[Unreadable]] = []
    while from_:
        try:
            found.append(from_.take())
        except Unreadable as error:
            found.append(type(error))
    return found


@given(st.lists(PIECES, max_size=4))
def test_whatever_the_pieces_the_messages_are_whole_and_in_order(messages: list[list[str]]) -> None:
    found = Incoming(longest=1_000)
    assert not any(offence for pieces in messages for offence in feed(found, pieces))
    assert taken(found) == ["".join(pieces) for pieces in messages]


@given(PIECES, st.integers(1, 40))
def test_a_message_is_refused_exactly_when_it_has_too_many_bytes(pieces: list[str], longest: int) -> None:
    found = Incoming(longest)
    feed(found, pieces)
    whole = "".join(pieces)
    assert taken(found) == ([whole] if len(whole.encode()) <= longest else [TooLong])


def test_binary_is_refused_once_however_it_comes() -> None:
    found = Incoming(longest=10)
    feed(found, [b"\0", b"\1", b"\2"])
    feed(found, ["text"])
    assert taken(found) == [Binary, "text"]


def test_one_too_long_is_refused_once_and_what_follows_is_read() -> None:
    found = Incoming(longest=10)
    for piece in (["x" * 11], ["x" * 6, "x" * 6, "x"], [b"x" * 11]):
        feed(found, piece)
        feed(found, ["next"])
        assert taken(found) == [TooLong, "next"]


def test_an_endless_one_offends_again_for_each_length_that_is_dropped() -> None:
    found = Incoming(longest=10)
    assert feed(found, ["x" * 5] * 12) == [
        False,
        False,
        False,
        True,
        False,
        True,
        False,
        True,
        False,
        True,
        False,
        True,
    ]
    assert taken(found) == [TooLong]


def test_nothing_of_one_too_long_is_kept() -> None:
    found = Incoming(longest=10)
    for _ in range(1_000):
        found.add(TextMessage("x" * 10, frame_finished=True, message_finished=False))
    assert not found._pieces
    assert len(found._complete) == 1


def test_the_tenth_offence_in_a_row_is_one_too_many() -> None:
    found = Incoming(longest=10)
    assert [found.offended() for _ in range(11)] == [False] * 9 + [True] * 2


def test_an_offence_now_and_then_never_is(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 1_000.0
    monkeypatch.setattr(incoming.time, "monotonic", lambda: moment)
    found = Incoming(longest=10)
    for _ in range(100):
        assert not found.offended()
        moment += 5.0
