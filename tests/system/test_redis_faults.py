"""Redis lost, frozen, slow, read-only and full: posts are accepted, replies go on, and readers end with their text."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from redis.exceptions import OutOfMemoryError, ReadOnlyError

from tests.clients import Posted
from tests.system.conftest import Measure
from tests.system.posting import words
from tests.system.scene import MakeScene, Scene, User

RedisFault = Callable[[Scene], AbstractContextManager[None]]
PATIENCE_SECONDS = 3.0


@dataclass
class Use:
    """Somebody who keeps using the page: what was posted, and how long each kind of request took at most."""

    scene: Scene
    user: User
    longest: dict[str, float] = field(default_factory=dict)
    posts: list[Posted] = field(default_factory=list)

    def once(self) -> None:
        """Post, read what is being written, and ask the web process how it is."""
        running = next(iter(self.scene.posted))
        key, said = uuid4().hex, {"content": "said meanwhile", "model": "openai/fake-t20-r50"}
        answer = self._timed("post", "POST", "/api/messages", json=said, headers={"Idempotency-Key": key})
        assert answer.status_code == 202, answer.text
        self.posts.append(Posted(answer.status_code, key, answer.json()))
        self.scene.expect(self.user, self.posts[-1])
        for path in (f"/api/messages/{running}", "/api/threads", "/healthz", "/readyz"):
            assert self._timed("get", "GET", path).status_code == 200

    def on(self, seconds: float) -> None:
        """Again and again for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.once()
            time.sleep(0.25)  # a person's pace

    def _timed(self, kind: str, method: str, path: str, **more: Any) -> httpx.Response:
        began = time.monotonic()
        answer = self.user.client.request(method, path, **more)
        self.longest[kind] = max(self.longest.get(kind, 0.0), time.monotonic() - began)
        return answer


@contextmanager
def frozen(scene: Scene) -> Iterator[None]:
    """Redis answers nothing, with its connections open."""
    process = scene.stack.processes["valkey"]
    process.send_signal(signal.SIGSTOP)
    yield
    process.send_signal(signal.SIGCONT)


@contextmanager
def slow(scene: Scene) -> Iterator[None]:
    """0.2 s later in each direction: within the time that a call may take, but only just."""
    scene.proxies["redis"].latency(0.2)
    yield
    scene.proxies["redis"].heal()


@contextmanager
def read_only(scene: Scene) -> Iterator[None]:
    """Redis is the replica of a master that is away."""
    with scene.stack.redis() as redis:
        redis.replicaof("127.0.0.1", 1)
        with pytest.raises(ReadOnlyError):
            redis.set("room", "none")
        yield
        redis.replicaof("no", "one")


@contextmanager
def full(scene: Scene) -> Iterator[None]:
    """Redis refuses whatever needs memory."""
    with scene.stack.redis() as redis:
        redis.config_set("maxmemory", "1mb")
        with pytest.raises(OutOfMemoryError):
            redis.set("room", "none")
        yield
        redis.config_set("maxmemory", "0")


def stored(user: User, posted: Posted) -> dict[str, Any]:
    message: dict[str, Any] = user.client.get(f"/api/messages/{posted.id}").json()
    return message


def lose_redis(scene: Scene, use: Use) -> float:
    """Kill Redis and what it kept, post, and start it again; returns when that was."""
    scene.stack.kill("valkey")
    shutil.rmtree(scene.stack.folder / "valkey")
    use.once()
    back = time.time()
    scene.stack.start_valkey()
    return back


@pytest.mark.fault("F07")
@pytest.mark.parametrize("times", [1, pytest.param(5, marks=pytest.mark.chaos)])
def test_readers_of_a_running_reply_heal_when_redis_comes_back_empty(
    make_scene: MakeScene, measure: Measure, times: int
) -> None:
    tokens = 150 * times
    with make_scene(RATE_LIMITS="on") as scene:
        ada = scene.user()
        reply = scene.post(ada, "hello", model=f"openai/fake-t{tokens}-r25")
        watchers = scene.watch(ada, reply)
        use = Use(scene, ada)
        for _ in range(times):
            for client in watchers:
                scene.first_token_after(client, time.time())
            back = lose_redis(scene, use)
            waited = scene.first_token_after(watchers.sse, back)
            measure("Redis restarted empty to the next token, seen by SSE", waited, "s", "≤ 5 s")
            assert waited <= 5
        scene.settle(60)
        assert stored(ada, reply)["content"] == words(tokens)
        assert stored(ada, reply)["attempt"] == 1
        assert [client.text(reply.id) for client in watchers] == [words(tokens)] * 3
        assert [stored(ada, one)["content"] for one in use.posts] == [words(20)] * times
        assert use.longest["post"] <= PATIENCE_SECONDS


@pytest.mark.fault("F08")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        pytest.param(frozen, 5),
        pytest.param(frozen, 60, marks=pytest.mark.chaos),
        pytest.param(slow, 15, marks=pytest.mark.chaos),
        pytest.param(read_only, 15, marks=pytest.mark.chaos),
        pytest.param(full, 15, marks=pytest.mark.chaos),
    ],
)
def test_posts_and_reads_are_answered_in_time_whatever_redis_does(
    make_scene: MakeScene, measure: Measure, fault: RedisFault, seconds: float
) -> None:
    tokens = int(25 * (seconds + 1))
    with make_scene(proxied={"redis"}, RATE_LIMITS="on") as scene:
        ada = scene.user()
        reply = scene.post(ada, "hello", model=f"openai/fake-t{tokens}-r25")
        watchers = scene.watch(ada, reply)
        use = Use(scene, ada)
        for client in watchers:
            scene.first_token_after(client, time.time())
        with fault(scene):
            use.on(seconds)
            during = time.time()
        measure(f"longest post while Redis is {fault.__name__}", use.longest["post"], "s", "≤ 3 s")
        measure(f"longest read while Redis is {fault.__name__}", use.longest["get"], "s", "≤ 3 s")
        assert max(use.longest.values()) <= PATIENCE_SECONDS
        assert [at for at in watchers.polling.tokens if at > during - seconds + 1]
        scene.settle(60)
        assert stored(ada, reply)["content"] == words(tokens)
        assert stored(ada, reply)["attempt"] == 1
        assert [client.text(reply.id) for client in watchers] == [words(tokens)] * 3
        assert {stored(ada, one)["content"] for one in use.posts} == {words(20)}
