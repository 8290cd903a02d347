"""One reply at a time in a branch (G9), also when a queued one between two others is cancelled."""

from __future__ import annotations

import pytest
from flask import Flask

from app.models import Status
from tests.jobs.model import Known
from tests.jobs.world import World
from tests.support import rows


@pytest.fixture
def world(app: Flask) -> World:
    return World(app)


@pytest.fixture
def running(world: World) -> Known:
    """The first reply of a branch, being written."""
    job = world.post(world.threads[0], None)
    assert world.claim(job.id, world.worker(), 3)
    return job


def starts_beside(world: World, job: Known, running: Known) -> bool:
    """Whether the job can be claimed while the other one, before it in its branch, is being written."""
    assert rows.job(running.id).status is Status.PROCESSING
    return world.claim(job.id, world.worker(), 3) is not None


def test_a_reply_waits_for_the_one_before_it(world: World, running: Known) -> None:
    second = world.post(running.thread_id, running)
    third = world.post(running.thread_id, second)
    assert not starts_beside(world, second, running)
    assert not starts_beside(world, third, running)


def test_a_reply_waits_for_the_one_before_a_cancelled_one_that_it_was_queued_behind(
    world: World, running: Known
) -> None:
    second = world.post(running.thread_id, running)
    third = world.post(running.thread_id, second)
    world.cancel(second.id)
    assert not starts_beside(world, third, running)


def test_a_reply_posted_after_a_cancelled_one_waits_for_the_one_before_that(world: World, running: Known) -> None:
    second = world.post(running.thread_id, running)
    world.cancel(second.id)
    third = world.post(running.thread_id, second)
    assert not starts_beside(world, third, running)


def test_another_branch_does_not_wait(world: World, running: Known) -> None:
    other = world.post(world.threads[1], None)
    assert starts_beside(world, other, running)
