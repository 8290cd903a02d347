from __future__ import annotations

import pytest

from app.llm.tokens import estimate
from app.llm.usage import believed


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("abc", 2), ("a" * 30, 11), ("a" * 300, 110), ("世" * 10, 11), ("\ud800", 2)],
)
def test_a_text_is_estimated_by_its_bytes(text: str, tokens: int) -> None:
    assert estimate(text) == tokens


@pytest.mark.parametrize("counts", [(-1, 1), (1, -1), (10**12, 1), (1, 10**12), (5, 5, 6), (5, 5, 0, 6), (5, 5, -1)])
def test_counts_that_cannot_be_are_not_believed(counts: tuple[int, ...]) -> None:
    assert believed(*counts) is None
