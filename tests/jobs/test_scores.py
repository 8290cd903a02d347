"""What the row has of a score: it only grows, and finds its text whatever becomes of the attempt."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from app.database import reading, transaction
from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.models import Job, Status
from tests.support import rows


def claimed(job_id: UUID) -> Claim:
    lease_id = rows.a_lease()
    with transaction() as session:
        made = lifecycle.claim(session, job_id, lease_id, 60, 3)
    assert made is not None
    return made


@pytest.fixture
def claim(app: Flask) -> Claim:
    return claimed(rows.a_job())


def again(claim: Claim) -> Claim:
    """The claim of the next attempt after a crash."""
    rows.lapse(claim.lease_id)
    with transaction() as session:
        assert lifecycle.recover(session, claim.job_id, claim.attempt)
    return claimed(claim.job_id)


def keep(claim: Claim, text: str, score: str) -> None:
    with transaction() as session:
        assert lifecycle.checkpoint(session, claim, text, score)


def settle(claim: Claim, text: str, score: str) -> None:
    with transaction() as session:
        assert lifecycle.settle(session, claim, text, score)


def kept(claim: Claim) -> tuple[str, str, str]:
    """Checkpoint, score, and what was lost."""
    with reading() as session:
        row = session.execute(select(Job.checkpoint, Job.score, Job.lost).where(Job.id == claim.job_id)).one()
    return row.checkpoint, row.score, row.lost


def test_an_older_score_replaces_none(claim: Claim) -> None:
    settle(claim, "settled", "[a longer score]")
    keep(claim, "sett", "[a score]")
    assert kept(claim) == ("settled", "[a longer score]", "")
    keep(claim, "settled and", "[a still longer score]")
    assert kept(claim) == ("settled and", "[a still longer score]", "")


def test_the_text_that_a_dead_attempt_has_kept_stays_until_a_score_says_that_it_is_gone(claim: Claim) -> None:
    settle(claim, "settled", "[score]")
    keep(claim, "settled and more 🎈", "[a score]")
    second = again(claim)
    assert kept(claim) == ("settled", "[a score]", " and more 🎈")
    third = again(second)
    assert kept(claim) == ("settled", "[a score]", " and more 🎈")
    keep(third, "settled", "[old]")
    assert kept(claim) == ("settled", "[a score]", " and more 🎈")
    keep(third, "settled", "[a score that drops it]")
    assert kept(claim) == ("settled", "[a score that drops it]", "")


@pytest.mark.parametrize("score", ["", "[older]", "[a score that has ended]"])
def test_an_end_keeps_the_score_and_nothing_else(claim: Claim, score: str) -> None:
    keep(claim, "text", "[a longer score]")
    with transaction() as session:
        assert lifecycle.finish(session, claim, Status.COMPLETED, score)
    assert kept(claim) == ("", max(score, "[a longer score]", key=len), "")
