"""A load that has ended leaves nothing behind: no thread, file, connection, key or memory (G11)."""

from __future__ import annotations

import json
import time

import pytest

from tests.support.stack import until
from tests.system.conftest import Measure
from tests.system.scene import MakeScene, Scene, User
from tests.system.usage import usage

REPLIES = 40
REST_SECONDS = 8
MODELS = ("fake-t30-r30", "fake-t30-r30-rst-at15-x1", "fake-t300-r30")


def load(scene: Scene, user: User) -> None:
    """Replies read in every way; of the long ones, those that are cancelled."""
    for number in range(REPLIES):
        posted = scene.post(user, f"number {number}", model=f"openai/{MODELS[number % len(MODELS)]}")
        scene.watch(user, posted)
        scene.watch_thread(user, posted)
        if number % len(MODELS) == 2:
            scene.poster(user).cancel(posted.id).result(15)
    scene.settle(90)


def at_rest(scene: Scene) -> dict[str, float]:
    """What is held once that has not changed for a while: clients' connections stay open for some seconds."""
    used, since = usage(scene), time.monotonic()

    def rests() -> bool:
        nonlocal used, since
        now = usage(scene)
        if counts(now) != counts(used):
            used, since = now, time.monotonic()
        return time.monotonic() - since > REST_SECONDS

    until(rests, 120, "rest")
    return used


def counts(used: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in used.items() if "memory" not in name}


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.fault("F19")
def test_a_load_that_has_ended_leaves_nothing_behind(make_scene: MakeScene, measure: Measure) -> None:
    with make_scene(WORKER_THREADS="16") as scene:
        ada = scene.user()
        for _ in range(10):  # by then pools and the allocator's arenas have reached their size
            load(scene, ada)
        before = at_rest(scene)
        for _ in range(3):
            load(scene, ada)
        after = at_rest(scene)
        for name in ("web", "worker"):
            more = (after[f"{name} memory"] - before[f"{name} memory"]) / 1e6
            measure(f"{name}'s memory after {3 * REPLIES} more replies, more", more, "MB", "≤ 5 %")
        path = scene.stack.folder / "resources.json"
        path.write_text(json.dumps({"before": before, "after": after}))
        scene.evidence += ["--resources", str(path)]
