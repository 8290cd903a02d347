from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.responses.completions_text import Contradicted, Said

PIECES = st.lists(st.text("ab", max_size=3), max_size=8)


def sent(said: Said, pieces: list[str]) -> str:
    return "".join(said.add(piece) for piece in pieces)


@given(PIECES, PIECES)
def test_what_is_written_again_alike_is_sent_once(first: list[str], more: list[str]) -> None:
    said = Said()
    begun = sent(said, first)
    said.anew()
    assert begun + sent(said, [*first, *more]) == "".join([*first, *more]) == said.text


@given(PIECES, PIECES)
def test_a_reader_has_the_whole_text_or_is_told_that_it_cannot_have_it(first: list[str], again: list[str]) -> None:
    said, whole = Said(), "".join(again)
    sent(said, first)
    said.anew()
    try:
        sent(said, again)
        said.finish(whole)
        assert said.text == whole
    except Contradicted:
        assert not whole.startswith("".join(first))


@given(PIECES, st.text("ab", max_size=4))
def test_the_end_brings_what_is_missing(pieces: list[str], rest: str) -> None:
    said = Said()
    sent(said, pieces)
    assert said.finish("".join(pieces) + rest) == rest


def test_a_text_that_came_to_less_than_was_sent_is_contradicted() -> None:
    said = Said()
    said.add("abc")
    with pytest.raises(Contradicted):
        said.finish("ab")
