"""Scores that do not come to what is stored."""

from __future__ import annotations

import pytest

from app.stream.output import Of
from app.stream.score import Score
from tests.check.conftest import Check
from tests.check.story import SECOND, Story
from tests.support import rows


def scored(*said: str, ends: bool = True) -> str:
    """The score of a reply that said this."""
    score = Score(2)
    score.begin()
    for text in said:
        score.write(Of.TEXT, text)
    return score.end("".join(said), complete=True) if ends else score.dump()


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (scored("Tw"), "its score comes to 2 code points, 5 are stored"),
        (scored("Twice", ends=False), "has ended, but its score has not"),
    ],
)
def test_a_score_that_tells_something_else(story: Story, check: Check, score: str, said: str) -> None:
    rows.set_job(story.second.job_id, score=score)
    assert check().says("G4", said)


def test_a_score_that_comes_to_the_text_is_held(story: Story, check: Check) -> None:
    rows.set_job(story.second.job_id, score=scored(SECOND[:2], SECOND[2:]))
    assert check().violated == set()
