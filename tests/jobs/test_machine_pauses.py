"""The guards of steps, questions and waits one by one, where only one of them stands between the job and a mistake."""

from __future__ import annotations

import threading
from uuid import UUID

import pytest
from flask import Flask

from app.clock import now
from app.database import transaction
from app.ids import new_id
from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.models import Status
from tests.jobs.model import ENDED, Known
from tests.jobs.world import World
from tests.support import rows


@pytest.fixture
def world(app: Flask) -> World:
    return World(app)


@pytest.fixture
def claim(world: World) -> Claim:
    """The claim of a first attempt."""
    return must_claim(world, world.post(world.threads[0], None).id)


def must_claim(world: World, job_id: UUID) -> Claim:
    made = world.claim(job_id, world.worker(), 3)
    assert made is not None
    return made


def asked(world: World, claim: Claim, seconds: float = 60) -> UUID:
    action_id = new_id()
    assert world.ask(claim, action_id, seconds)
    return action_id


def test_a_new_attempt_begins_with_what_is_settled_and_nothing_more(world: World, claim: Claim) -> None:
    assert world.settle(claim, "settled")
    assert world.checkpoint(claim, "settled and more")
    rows.lapse(claim.lease_id)
    world.reap()
    assert rows.job(claim.job_id).checkpoint == "settled and more"
    must_claim(world, claim.job_id)
    job = rows.job(claim.job_id)
    assert (job.settled, job.checkpoint) == ("settled", "settled")


def test_a_checkpoint_that_comes_late_takes_nothing_settled_back(app: Flask, world: World, claim: Claim) -> None:
    """The keeper has taken the text, and commits it after the step that had more of it."""

    def keep() -> None:
        with app.app_context():
            found.append(world.checkpoint(claim, "Let me"))

    found: list[bool] = []
    keeping = threading.Thread(target=keep)
    with transaction() as session:
        assert lifecycle.settle(session, claim, "Let me see.")
        keeping.start()
        keeping.join(0.2)
        assert not found
    keeping.join(20)
    job = rows.job(claim.job_id)
    assert (found, job.settled, job.checkpoint) == ([True], "Let me see.", "Let me see.")


def test_who_was_let_go_settles_nothing(world: World, claim: Claim) -> None:
    assert world.let_go(claim)
    assert not world.settle(claim, "late")
    assert not world.ask(claim, new_id(), 60)
    assert (rows.job(claim.job_id).settled, rows.job(claim.job_id).status) == ("", Status.PROCESSING)


def test_an_older_attempt_under_the_same_lease_settles_nothing(world: World, claim: Claim) -> None:
    assert world.hand_over(claim)
    assert world.claim(claim.job_id, claim.lease_id, 3)
    assert not world.settle(claim, "late")
    assert not world.ask(claim, new_id(), 60)
    assert rows.job(claim.job_id).settled == ""


def test_of_two_answers_the_first_counts(world: World, claim: Claim) -> None:
    action_id = asked(world, claim)
    assert world.answer(claim.job_id, action_id)
    assert not world.answer(claim.job_id, action_id)
    job = rows.job(claim.job_id)
    assert (job.status, job.action_id, job.action_expires_at) == (Status.PENDING, None, None)


def test_an_answer_to_an_earlier_question_is_none_to_the_next(world: World, claim: Claim) -> None:
    first = asked(world, claim)
    assert world.answer(claim.job_id, first)
    second = asked(world, must_claim(world, claim.job_id))
    assert not world.answer(claim.job_id, first)
    assert rows.job(claim.job_id).status is Status.REQUIRES_ACTION
    assert world.answer(claim.job_id, second)


def test_an_answer_that_comes_too_late_counts_no_more(world: World, claim: Claim) -> None:
    action_id = asked(world, claim)
    rows.set_job(claim.job_id, action_expires_at=now(-0.001))
    assert not world.answer(claim.job_id, action_id)
    world.reap()
    assert (rows.job(claim.job_id).status, rows.reply_of(claim.job_id).finish_reason) == (Status.FAILED, "error")


def test_what_shall_be_cancelled_is_not_answered_hastened_or_stretched(world: World, claim: Claim) -> None:
    action_id = asked(world, claim)
    assert world.request_cancel(claim.job_id)
    assert not world.answer(claim.job_id, action_id)
    waiting = must_claim(world, world.post(world.threads[1], None).id)
    assert world.wait(waiting, 60)
    assert world.request_cancel(waiting.job_id)
    assert not world.hasten(waiting.job_id)
    assert not world.snooze(waiting.job_id, 120)
    assert not world.steer(waiting.job_id)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.WAITING}))
def test_only_what_waits_is_hastened_or_stretched(world: World, claim: Claim, status: Status) -> None:
    rows.set_job(claim.job_id, status=status)
    assert not world.hasten(claim.job_id)
    assert not world.snooze(claim.job_id, 60)
    assert rows.job(claim.job_id).status is status


def test_the_time_to_work_is_the_same_after_every_pause(world: World, claim: Claim) -> None:
    before = deadline(claim)
    assert world.wait(claim, 600)
    assert 590 < deadline(claim) - before < 660
    assert world.snooze(claim.job_id, 1200)
    assert 1190 < deadline(claim) - before < 1260
    assert world.hasten(claim.job_id)
    assert abs(deadline(claim) - before) < 60
    action_id = asked(world, must_claim(world, claim.job_id), 600)
    assert 590 < deadline(claim) - before < 660
    assert world.answer(claim.job_id, action_id)
    assert abs(deadline(claim) - before) < 60


def deadline(claim: Claim) -> float:
    at = rows.job(claim.job_id).deadline_at
    assert at is not None
    return at.timestamp()


@pytest.mark.parametrize("status", sorted(ENDED))
def test_what_has_ended_is_not_steered(world: World, claim: Claim, status: Status) -> None:
    assert world.finish(claim, status)
    assert not world.steer(claim.job_id)


def test_what_waits_behind_a_question_begins_when_that_expires(world: World, claim: Claim) -> None:
    first = Known(claim.job_id, rows.reply_of(claim.job_id).id, claim.thread_id, None)
    queued = world.post(claim.thread_id, first)
    asked(world, claim)
    assert world.claim(queued.id, world.worker(), 3) is None
    rows.set_job(claim.job_id, action_expires_at=now(-1))
    assert queued.id in world.reap()
