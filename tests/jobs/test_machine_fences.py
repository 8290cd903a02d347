"""The guards one by one, where only one of them stands between the job and somebody who comes too late."""

from __future__ import annotations

from uuid import UUID

import pytest
from celery.signals import before_task_publish
from flask import Flask
from sqlalchemy import func, select

from app.chat import sending
from app.chat.sending import Draft
from app.database import reading
from app.ids import new_id
from app.jobs.claim import Claim
from app.jobs.reaper import Abandoned
from app.models import Job, Status
from tests.jobs.model import ENDED, Known
from tests.jobs.world import World
from tests.support import rows


@pytest.fixture
def world(app: Flask) -> World:
    return World(app)


@pytest.fixture
def job(world: World) -> Known:
    return world.post(world.threads[0], None)


def must_claim(world: World, job_id: UUID, lease_id: UUID, crashes_below: int = 3) -> Claim:
    claim = world.claim(job_id, lease_id, crashes_below)
    assert claim is not None
    return claim


def writes_nothing(world: World, claim: Claim) -> None:
    """Whatever a worker could still want to write."""
    before = world.jobs(), world.outcomes()
    for status in ENDED:
        assert not world.finish(claim, status)
    assert not world.checkpoint(claim, "late")
    assert not world.settle(claim, "late")
    assert not world.wait(claim, 0)
    assert not world.ask(claim, new_id(), 60)
    assert not world.hand_over(claim)
    assert not world.let_go(claim)
    assert (world.jobs(), world.outcomes()) == before


def test_an_older_attempt_under_the_same_lease_writes_nothing(world: World, job: Known) -> None:
    lease_id = world.worker()
    older = must_claim(world, job.id, lease_id)
    assert world.hand_over(older)
    newer = must_claim(world, job.id, lease_id)
    writes_nothing(world, older)
    assert world.finish(newer, Status.COMPLETED)


def test_who_was_let_go_writes_nothing_although_nobody_else_has_begun(world: World, job: Known) -> None:
    claim = must_claim(world, job.id, world.worker())
    assert world.let_go(claim)
    writes_nothing(world, claim)


@pytest.mark.parametrize("status", sorted(ENDED))
def test_who_has_ended_a_reply_changes_nothing_of_it_any_more(world: World, job: Known, status: Status) -> None:
    claim = must_claim(world, job.id, world.worker())
    assert world.finish(claim, status)
    writes_nothing(world, claim)


def test_a_reaper_that_looked_at_an_earlier_attempt_takes_nothing_from_a_later_one(world: World, job: Known) -> None:
    first, second = world.worker(), world.worker()
    must_claim(world, job.id, first)
    rows.lapse(first)
    assert world.recover(job.id, 1)
    must_claim(world, job.id, second)
    rows.lapse(second)
    assert not world.recover(job.id, 1)
    world.end(Abandoned(job.id, 1, "crashed", orphaned=True))
    assert (rows.job(job.id).status, rows.job(job.id).crashes) == (Status.PROCESSING, 1)
    assert world.recover(job.id, 2)
    world.end(Abandoned(job.id, 1, "deadline", orphaned=False))
    assert rows.job(job.id).status is Status.PENDING


def test_a_reaper_takes_nothing_from_who_lives(world: World, job: Known) -> None:
    claim = must_claim(world, job.id, world.worker())
    assert not world.recover(job.id, 1)
    world.end(Abandoned(job.id, 1, "deadline", orphaned=True))
    world.end(Abandoned(job.id, 1, "cancelled", orphaned=False))
    assert not world.wake(job.id)
    assert world.finish(claim, Status.COMPLETED)


def test_a_wait_is_neither_claimed_nor_woken_before_it_is_over(world: World, job: Known) -> None:
    lease_id = world.worker()
    assert world.wait(must_claim(world, job.id, lease_id), 60)
    assert not world.wake(job.id)
    assert world.claim(job.id, lease_id, 3) is None


def test_who_takes_only_what_has_crashed_less_leaves_the_rest(world: World, job: Known) -> None:
    lease_id = world.worker()
    must_claim(world, job.id, lease_id, crashes_below=1)
    rows.lapse(lease_id)
    assert world.recover(job.id, 1)
    assert world.claim(job.id, world.worker(), 1) is None
    must_claim(world, job.id, world.worker(), crashes_below=2)


def test_a_wake_up_is_sent_when_everybody_can_read_its_job(world: World) -> None:
    """A worker that is woken sooner finds nothing to claim, and the reply waits for the reaper."""
    found = []

    def look(headers: dict[str, str], **_: object) -> None:
        with reading() as session:
            found.append(session.scalars(select(func.count()).where(Job.id == UUID(headers["id"]))).one())

    before_task_publish.connect(look)
    try:
        sending.send_message(world.user_id, Draft("hello"))
    finally:
        before_task_publish.disconnect(look)
    assert found == [1]
