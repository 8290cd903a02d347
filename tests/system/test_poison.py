"""A reply that kills every process that writes it, and those that had the bad luck to share one with it."""

from __future__ import annotations

import threading
from contextlib import suppress

import psutil
import pytest

from tests.support.stack import Stack, until
from tests.system.posting import words
from tests.system.replies import assert_written_once, events, row
from tests.system.scene import MakeScene
from tests.system.staging import armed

ALONE_AT_ONCE = 2


class Keeper:
    """Starts the worker again whenever it dies, as the supervisor does, and counts the processes of one reply each."""

    def __init__(self, stack: Stack) -> None:
        self.deaths = 0
        self.most_alone = 0
        self._stack = stack
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep)

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._ended.wait(0.02):
            worker = self._stack.processes["worker"]
            if worker.poll() is not None:
                self.deaths += 1
                self._stack.start_worker()
                continue
            with suppress(psutil.NoSuchProcess):
                self.most_alone = max(self.most_alone, len(psutil.Process(worker.pid).children()))


@pytest.mark.fault("F05")
@pytest.mark.parametrize(
    ("neighbours", "model"),
    [
        pytest.param(2, "fake-t12-r4", marks=pytest.mark.chaos),
        pytest.param(5, "fake-t12-r1", marks=pytest.mark.chaos),
    ],
)
@pytest.mark.timeout(300)
def test_a_reply_that_kills_its_worker_fails_and_takes_no_other_along(
    neighbours: int, model: str, make_scene: MakeScene
) -> None:
    with (
        make_scene(workers=0, ALONE_AT_ONCE=str(ALONE_AT_ONCE), CHECKPOINT_SECONDS="0.3") as scene,
        armed(scene.stack, "chunk~w13:kill"),
    ):
        scene.stack.start_worker()
        ada = scene.user()
        with Keeper(scene.stack) as keeper:
            others = [scene.post(ada, f"number {number}", model=f"openai/{model}") for number in range(neighbours)]
            watchers = [scene.watch(ada, one) for one in others]
            until(lambda: all(watcher.sse.tokens for watcher in watchers), 30, "all neighbours' first words")
            poison = scene.post(ada, "poison", model="openai/fake-t20-r10")
            scene.watch(ada, poison)
            scene.settle(200)
        ended = ada.client.get(f"/api/messages/{poison.id}").json()
        assert (ended["status"], ended["error"]["code"]) == ("failed", "crashed_repeatedly")
        assert ended["content"]
        assert words(12).startswith(ended["content"])
        assert row(scene, poison).outcomes == ["crashed"] * 3
        assert row(scene, poison).crashes == 3
        assert events(scene, poison)[-1]["type"] == "message.failed"
        for one in others:
            assert_written_once(scene, one, words(12))
        assert keeper.deaths == 2
        assert 1 <= keeper.most_alone <= ALONE_AT_ONCE
