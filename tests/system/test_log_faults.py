"""The log trimmed or deleted and pub/sub cut, again and again: readers end with the stored text, in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest
from redis import Redis

from tests.clients import Posted
from tests.system.posting import words
from tests.system.scene import MakeScene, Scene, User, Watchers

TOKENS = 300


def begun(scene: Scene, user: User) -> tuple[Posted, Watchers]:
    """A reply of some seconds, and its watchers, who have seen some of it."""
    reply = scene.post(user, "hello", model=f"openai/fake-t{TOKENS}-r30")
    watchers = scene.watch(user, reply)
    for client in watchers:
        scene.first_token_after(client, time.time())
    return reply, watchers


def again_and_again(user: User, reply: Posted, harm: Callable[[], Any], seconds: float) -> int:
    """Do it at this pace while the reply is being written; returns how often."""
    times = 0
    while user.client.get(f"/api/messages/{reply.id}").json()["status"] == "processing":
        harm()
        times += 1
        time.sleep(seconds)  # the pace is the fault
    return times


def assert_whole(user: User, reply: Posted, watchers: Watchers) -> None:
    """The reply was written once, and every watcher has what is stored."""
    stored = user.client.get(f"/api/messages/{reply.id}").json()
    assert (stored["status"], stored["attempt"], stored["content"]) == ("completed", 1, words(TOKENS))
    assert [client.text(reply.id) for client in watchers] == [words(TOKENS)] * 3
    assert watchers.sse.reader.ordered
    assert watchers.sse.reader.gaps == 0


@pytest.mark.chaos
@pytest.mark.fault("F09")
def test_watchers_end_with_the_text_though_pubsub_is_cut_every_200_ms(make_scene: MakeScene) -> None:
    with make_scene() as scene, scene.stack.redis() as redis:
        ada = scene.user()
        reply, watchers = begun(scene, ada)
        killed: list[int] = []
        times = again_and_again(ada, reply, lambda: killed.append(redis.client_kill_filter(_type="pubsub")), 0.2)
        scene.settle(60)
        assert times >= 20
        assert sum(killed) >= times
        assert_whole(ada, reply, watchers)


def trimmed(redis: Redis, key: str) -> None:
    redis.xtrim(key, maxlen=0, approximate=False)


def deleted(redis: Redis, key: str) -> None:
    redis.delete(key)


@pytest.mark.chaos
@pytest.mark.fault("F10")
@pytest.mark.parametrize("pubsub", ["kept", "cut"])
def test_watchers_end_with_the_text_though_the_log_is_trimmed_and_deleted(make_scene: MakeScene, pubsub: str) -> None:
    with make_scene() as scene, scene.stack.redis() as redis:
        ada = scene.user()
        reply, watchers = begun(scene, ada)
        thread = scene.watch_thread(ada, reply)
        harms = cycle([trimmed, deleted])

        def harm() -> None:
            next(harms)(redis, f"thread:{{{reply.thread_id}}}:events")
            if pubsub == "cut":  # so that readers look for what is gone
                redis.client_kill_filter(_type="pubsub")

        assert again_and_again(ada, reply, harm, 0.3) >= 15
        scene.settle(60)
        assert_whole(ada, reply, watchers)
        assert thread.text(reply.id) == words(TOKENS)
