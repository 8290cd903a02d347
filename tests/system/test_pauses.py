"""Waits and questions with real processes: everything restarted meanwhile, everybody answering at once."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from tests.system.conftest import Measure
from tests.system.replies import row, timed_events
from tests.system.scene import MakeScene, Scene
from tests.system.shop import Shop, answer, assert_whole, call, open_shop, reach, stored

EVERYTHING = ("worker", "web", "valkey")
MakeShop = Callable[..., AbstractContextManager[Shop]]


@pytest.fixture
def make_shop(make_scene: MakeScene, tmp_path: Path) -> MakeShop:
    """`with make_shop(workers=2) as shop:`."""
    return partial(open_shop, make_scene, tmp_path)


def stop_everything(scene: Scene) -> None:
    for name in EVERYTHING:
        scene.stack.kill(name, signal.SIGTERM)


def start_everything(scene: Scene) -> None:
    """The web process and the worker at the same time."""
    scene.stack.start_valkey()
    starting = threading.Thread(target=scene.stack.start_web)
    starting.start()
    scene.stack.start_worker()
    starting.join()


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.fault("F16")
@pytest.mark.chaos
@pytest.mark.parametrize("seconds", [5, 25])
def test_a_wait_goes_on_while_everything_is_restarted_and_ends_once_and_in_time(
    seconds: int, make_shop: MakeShop, measure: Measure
) -> None:
    with make_shop(workers=1) as shop:
        ada = shop.scene.user()
        posted, reader = shop.post(ada, "First\n" + call("wait", seconds=seconds), "then tea")
        wakes_at = moment(reach(ada, posted, "waiting")["wake_at"])
        stop_everything(shop.scene)
        start_everything(shop.scene)
        back = time.time()
        shop.scene.settle()
        assert_whole(posted, reader, ada, "First\n\nthen tea")
        begun = [at for at, event in timed_events(shop.scene, posted) if event["type"] == "message.processing"]
        assert row(shop.scene, posted).outcomes == ["waiting", "completed"]
        assert len(begun) == 2
        assert begun[1] >= wakes_at
        late = begun[1] - max(wakes_at, back)
        measure("end of a wait across a restart of everything to its reply's next attempt", late, "s", "≤ 5 s")
        assert late < 5


@pytest.mark.fault("F17")
@pytest.mark.chaos
def test_of_twenty_answers_at_once_one_counts_and_late_or_foreign_ones_do_not(make_shop: MakeShop) -> None:
    with make_shop(workers=1, ACTION_SECONDS="10") as shop:
        ada, bob = shop.scene.user(), shop.scene.user()
        asked = "Well.\n" + call("ask_user", question="Tea?")
        posted, reader = shop.post(ada, asked, "So\n!results")
        late, _ = shop.post(ada, asked, "never")
        action = reach(ada, posted, "requires_action")["required_action"]["id"]
        late_action = reach(ada, late, "requires_action")["required_action"]["id"]
        assert answer(bob, posted, action, content="mine") == 404
        assert answer(ada, posted, late_action, content="other") == 409
        with ThreadPoolExecutor(20) as pool:
            found = list(pool.map(lambda n: answer(ada, posted, action, content=f"cup {n}"), range(20)))
        assert Counter(found) == {202: 1, 409: 19}
        reach(ada, late, "failed")
        assert answer(ada, late, late_action, content="too late") == 410
        assert answer(bob, late, late_action, content="mine") == 404
        assert answer(ada, posted, action, content="again") == 409
        shop.scene.settle()
        assert_whole(posted, reader, ada, f"Well.\n\nSo\ncup {found.index(202)}")
        assert stored(ada, late)["error"]["code"] == "action_expired"
