"""Wake-ups that come fifty times, late or never, and waits that outlive every process."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from celery import Celery

from tests.clients import Posted
from tests.support.stack import Stack, until
from tests.system.conftest import Measure
from tests.system.posting import words
from tests.system.replies import assert_written_once, row
from tests.system.scene import MakeScene

MODEL, TEXT = "fake-t40-r20", words(40)


def wake(stack: Stack, posted: Posted, times: int) -> None:
    """Publish the reply's wake-up again, as the application does."""
    job_id = posted.body["reply"]["job_id"]
    with Celery(broker=stack.redis_url) as celery:
        for _ in range(times):
            celery.send_task("tasks.process_message", [job_id], task_id=job_id, queue="replies")


def waiting_wake_ups(stack: Stack) -> int:
    """How many no worker has taken yet."""
    with stack.redis() as redis:
        return redis.llen("replies")


@pytest.mark.fault("F11")
def test_a_wake_up_that_comes_fifty_times_and_once_more_at_the_end_asks_the_provider_once(
    make_scene: MakeScene,
) -> None:
    with make_scene(workers=0) as scene:
        ada = scene.user()
        posted = scene.post(ada, "hello", model=f"openai/{MODEL}")
        wake(scene.stack, posted, 50)
        assert waiting_wake_ups(scene.stack) == 51
        scene.stack.start_worker()
        reader = scene.watch(ada, posted).sse
        reader.wait_for(lambda: reader.tokens, 30)
        wake(scene.stack, posted, 50)
        scene.settle()
        before = row(scene, posted), ada.client.get(f"/api/messages/{posted.id}").json()
        wake(scene.stack, posted, 1)
        until(lambda: waiting_wake_ups(scene.stack) == 0, what="the last wake-up's delivery")
        later = scene.post(ada, "and then", model=f"openai/{MODEL}")
        scene.settle()
        assert (row(scene, posted), ada.client.get(f"/api/messages/{posted.id}").json()) == before
        for one in (posted, later):
            assert_written_once(scene, one, TEXT)
        assert len(scene.provider.lines("request")) == 2
        assert row(scene, posted).outcomes == ["completed"]


@pytest.mark.fault("F11")
@pytest.mark.chaos
def test_a_wake_up_that_comes_fifty_times_to_two_workers_asks_the_provider_once(make_scene: MakeScene) -> None:
    with make_scene(workers=2) as scene:
        ada = scene.user()
        for number in range(5):
            posted = scene.post(ada, f"number {number}", model=f"openai/{MODEL}")
            wake(scene.stack, posted, 50)
        scene.settle()
        assert len(scene.provider.lines("request")) == 5
        for one in scene.posted:
            assert ada.client.get(f"/api/messages/{one}").json()["attempt"] == 1


@pytest.mark.fault("F11")
@pytest.mark.chaos
def test_a_wake_up_that_is_lost_is_sent_again(make_scene: MakeScene, measure: Measure) -> None:
    with make_scene(workers=0) as scene:
        ada = scene.user()
        posted = scene.post(ada, "hello", model=f"openai/{MODEL}")
        scene.watch(ada, posted)
        with scene.stack.redis() as redis:
            assert redis.delete("replies") == 1
        began = time.time()
        scene.stack.start_worker()
        asked = scene.provider.wait_for("request", seconds=30)[0]["time"]
        measure("lost wake-up and a worker's start to the provider's request", asked - began, "s", "≤ 15 s")
        assert asked - began < 15
        scene.settle()
        assert_written_once(scene, posted, TEXT)
        assert len(scene.provider.lines("request")) == 1


def test_a_worker_takes_a_wake_up_for_each_free_thread_and_acknowledges_none(make_scene: MakeScene) -> None:
    with make_scene(workers=0, WORKER_THREADS="2") as scene:
        ada = scene.user()
        for number in range(5):
            scene.watch(ada, scene.post(ada, f"number {number}", model="openai/fake-t100-r20"))
        for worker, begun, left in (("worker", 2, 3), ("another", 4, 1)):
            scene.stack.start_worker(worker)
            scene.provider.wait_for("request", count=begun)
            assert waiting_wake_ups(scene.stack) >= left  # more once the reaper has repeated them
        with scene.stack.redis() as redis:
            assert not redis.exists("unacked", "unacked_index")
        scene.settle(60)
        assert len(scene.provider.lines("request")) == 5


@pytest.mark.fault("F16")
@pytest.mark.chaos
def test_a_wait_across_a_restart_of_everything_ends_once_and_on_time(make_scene: MakeScene, measure: Measure) -> None:
    with make_scene() as scene:
        ada, model = scene.user(), "fake-t20-r20-429ra15-x1"
        posted = scene.post(ada, "hello", model=f"openai/{model}")
        scene.watch(ada, posted)
        until(lambda: row(scene, posted).status == "waiting", 30, "the wait")
        wake_at = ada.client.get(f"/api/messages/{posted.id}").json()["wake_at"]
        for name in ("worker", "web", "valkey"):
            scene.stack.kill(name)
        assert row(scene, posted).status == "waiting"
        scene.stack.start_valkey()
        scene.stack.start_web()
        scene.stack.start_worker()
        scene.settle()
        assert_written_once(scene, posted, words(20))
        refused, asked = scene.provider.lines("request", model)
        late = asked["time"] - datetime.fromisoformat(wake_at).timestamp()
        measure("wait across a restart of everything: lateness", late, "s", "≤ 5 s")
        assert -0.5 < late < 5
        assert asked["time"] - refused["time"] > 14
        assert row(scene, posted).outcomes == ["waiting", "completed"]
        assert row(scene, posted).crashes == 0
