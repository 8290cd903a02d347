from __future__ import annotations

import pytest

from app.tools.errors import ToolFailed
from app.tools.outcome import Done, Finish
from app.tools.result import cut, shaped


def test_a_long_result_is_cut_and_says_so() -> None:
    assert cut("x" * 52_428_800, 20_000) == "x" * 20_000 + "\n… cut at 20,000 characters of 52,428,800."


def test_a_result_of_just_the_allowed_length_is_whole() -> None:
    assert cut("x" * 100, 100) == "x" * 100


def test_what_a_database_cannot_keep_is_cleaned_away() -> None:
    assert cut("a\r\nb\x07c\x00d\ud800", 100) == "a\nbc\ufffdd\ufffd"


@pytest.mark.parametrize("text", ["\x00\x01\x02\x03" * 100, "\ufffd" * 30, "PNG\x00\x00\x00\rIHDR\x00\x00\x01\x02"])
def test_binary_results_are_refused(text: str) -> None:
    with pytest.raises(ToolFailed, match="characters of binary content, which is of no use here"):
        cut(text, 1_000)


def test_only_results_are_cut() -> None:
    assert shaped(Finish("long answer"), 4) == Finish("long answer")
    assert shaped(Done("long answer"), 4) == Done("long\n… cut at 4 characters of 11.")
