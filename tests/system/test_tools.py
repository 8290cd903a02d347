"""Tool calls with real processes, which are killed at every point around them: what may not be repeated is not."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.stack import until
from tests.system.replies import events, row
from tests.system.scene import MakeScene
from tests.system.shop import TOOLS, Shop, answer, assert_whole, call, open_shop, reach, stored
from tests.system.staging import armed

MakeShop = Callable[..., AbstractContextManager[Shop]]


@pytest.fixture
def make_shop(make_scene: MakeScene, tmp_path: Path) -> MakeShop:
    """`with make_shop(workers=2) as shop:`."""
    return partial(open_shop, make_scene, tmp_path)


def die_at(shop: Shop, point: str) -> None:
    """Start a worker that is killed when it comes there, and wait for its end."""
    with armed(shop.scene.stack, f"{point}:kill"):
        shop.scene.stack.start_worker("doomed")
    shop.scene.stack.processes.pop("doomed").wait(60)


def assert_paid_at_most_once(shop: Shop, shown: dict[str, Any], token: str) -> None:
    """It ran once and is shown as done, or nobody knows whether it ran, and that is shown."""
    assert shop.ran(token) <= 1
    if shown["status"] == "completed":
        assert (shop.ran(token), shown["result"]) == (1, f"paid {token}")
    else:
        assert shown["status"] == "failed"
        assert "outcome is unknown" in shown["error"]


# Where a worker is killed → how a call that may not be repeated ends; None where that depends on which ended first.
POINTS = {
    "stepped": "completed",
    "tool_begun": "failed",
    "tool_ended": "failed",
    "tool_recorded": None,
}


@pytest.mark.fault("F02")
@pytest.mark.parametrize(
    "point", [pytest.param(point, marks=[] if point == "tool_ended" else pytest.mark.chaos) for point in POINTS]
)
def test_a_worker_killed_around_a_tool_call_repeats_only_what_may_be_repeated(point: str, make_shop: MakeShop) -> None:
    once, often = uuid4().hex, uuid4().hex
    with make_shop(workers=0) as shop:
        ada = shop.scene.user()
        calls = "\n".join([call("shop__pay", token=once), call("shop__look", token=often)])
        posted, reader = shop.post(ada, f"Paying.\n{calls}", "Done:\n!results")
        die_at(shop, point)
        shop.scene.stack.start_worker()
        shop.scene.settle()
        paid, seen = stored(ada, posted)["tool_invocations"]
        told = paid["result"] or paid["error"]
        assert_whole(posted, reader, ada, f"Paying.\n\nDone:\n{told}\nseen {often}")
        assert_paid_at_most_once(shop, paid, once)
        assert paid["status"] == (POINTS[point] or paid["status"])
        assert (seen["status"], shop.ran(often) >= 1) == ("completed", True)
        assert row(shop.scene, posted).outcomes == ["crashed", "completed"]


@pytest.mark.fault("F02")
@pytest.mark.chaos
def test_a_worker_killed_while_a_tool_runs_leaves_its_outcome_unknown(make_shop: MakeShop) -> None:
    token = uuid4().hex
    with make_shop(workers=1) as shop:
        ada = shop.scene.user()
        posted, reader = shop.post(ada, call("shop__pay", token=token, seconds=20), "Done:\n!results")
        until(lambda: shop.ran(token), 30, "the tool's run")
        shop.scene.stack.kill("worker")
        shop.scene.stack.start_worker()
        shop.scene.settle()
        [paid] = stored(ada, posted)["tool_invocations"]
        assert_whole(posted, reader, ada, f"Done:\n{paid['error']}")
        assert_paid_at_most_once(shop, paid, token)
        assert (paid["status"], shop.ran(token)) == ("failed", 1)


@pytest.mark.fault("F06")
@pytest.mark.chaos
def test_a_worker_that_is_stopped_while_a_tool_runs_waits_for_it_a_moment(make_shop: MakeShop) -> None:
    token = uuid4().hex
    with make_shop(workers=2) as shop:
        ada = shop.scene.user()
        posted, reader = shop.post(ada, call("shop__pay", token=token, seconds=1.5), "Done:\n!results")
        until(lambda: shop.ran(token), 30, "the tool's run")
        pid = row(shop.scene, posted).pid
        [name] = [name for name, process in shop.scene.stack.processes.items() if process.pid == pid]
        shop.scene.stack.kill(name, signal.SIGTERM)
        shop.scene.settle()
        assert_whole(posted, reader, ada, f"Done:\npaid {token}")
        assert (shop.ran(token), row(shop.scene, posted).crashes) == (1, 0)


@pytest.mark.fault("F02")
@pytest.mark.chaos
def test_a_worker_killed_after_it_has_asked_leaves_the_question(make_shop: MakeShop) -> None:
    with make_shop(workers=0) as shop:
        ada = shop.scene.user()
        posted, reader = shop.post(ada, "Well.\n" + call("ask_user", question="Tea?"), "So\n!results")
        die_at(shop, "asked")
        action = reach(ada, posted, "requires_action")["required_action"]
        reader.wait_for(lambda: reader.status(posted.id) == "requires_action")
        assert answer(ada, posted, action["id"], content="tea") == 202
        shop.scene.stack.start_worker()
        shop.scene.settle()
        assert_whole(posted, reader, ada, "Well.\n\nSo\ntea")
        assert row(shop.scene, posted)[1:3] == (2, 0)


@pytest.mark.fault("F02")
@pytest.mark.chaos
def test_a_worker_killed_after_it_has_begun_to_wait_leaves_the_wait(make_shop: MakeShop) -> None:
    with make_shop(workers=0) as shop:
        ada = shop.scene.user()
        posted, reader = shop.post(ada, "First\n" + call("wait", seconds=3), "then tea")
        die_at(shop, "waiting")
        reader.wait_for(lambda: reader.status(posted.id) == "waiting")
        shop.scene.stack.start_worker()
        shop.scene.settle()
        assert_whole(posted, reader, ada, "First\n\nthen tea")
        assert row(shop.scene, posted).outcomes == ["waiting", "completed"]


@pytest.mark.fault("F02")
@pytest.mark.chaos
@pytest.mark.parametrize("point", ["tool_begun", "tool_ended"])
def test_what_was_approved_is_not_repeated_either(point: str, make_shop: MakeShop) -> None:
    token = uuid4().hex
    with make_shop(workers=1) as shop:
        ada = shop.scene.user()
        posted, reader = shop.post(ada, call("shop__erase", token=token), "Done:\n!results")
        action = reach(ada, posted, "requires_action")["required_action"]
        assert shop.ran(token) == 0
        shop.scene.stack.kill("worker", signal.SIGTERM)
        decisions = [{"id": each["id"], "approve": True} for each in action["tool_invocations"]]
        assert answer(ada, posted, action["id"], decisions=decisions) == 202
        die_at(shop, point)
        shop.scene.stack.start_worker()
        shop.scene.settle()
        [erased] = stored(ada, posted)["tool_invocations"]
        assert_whole(posted, reader, ada, f"Done:\n{erased['error']}")
        assert "outcome is unknown" in erased["error"]
        assert shop.ran(token) == {"tool_begun": 0, "tool_ended": 1}[point]


@pytest.mark.fault("F13")
@pytest.mark.chaos
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_tool_calls_that_cannot_be_read_are_never_run(dialect: str, make_shop: MakeShop) -> None:
    with make_shop(PROVIDER_RETRIES="1") as shop:
        ada = shop.scene.user()
        faults = ("badtool", "truncatedtool", "badtool-x1", "calc")
        posted = {
            fault: shop.scene.post(ada, f"{fault}, please", model=f"{dialect}/fake-t5-{fault}", tools=[*TOOLS, "clock"])
            for fault in faults
        }
        for one in posted.values():
            shop.scene.watch(ada, one)
        shop.scene.settle()
        found = {fault: stored(ada, one) for fault, one in posted.items()}
        assert {fault: message["status"] for fault, message in found.items()} == {
            "badtool": "failed",
            "truncatedtool": "failed",
            "badtool-x1": "completed",
            "calc": "completed",
        }
        assert [len(message["tool_invocations"]) for message in found.values()] == [0, 0, 0, 2]
        for fault, one in posted.items():
            started = [event for event in events(shop.scene, one) if event["type"] == "tool.started"]
            assert len(started) == len(found[fault]["tool_invocations"])


@pytest.mark.fault("F08")
@pytest.mark.chaos
def test_a_tool_call_is_not_repeated_when_redis_dies_under_it(make_shop: MakeShop) -> None:
    token = uuid4().hex
    with make_shop(workers=1) as shop:
        ada = shop.scene.user()
        posted, reader = shop.post(ada, call("shop__pay", token=token, seconds=3), "Done:\n!results")
        until(lambda: shop.ran(token), 30, "the tool's run")
        shop.scene.restart_valkey_empty()
        shop.scene.settle()
        assert_whole(posted, reader, ada, f"Done:\npaid {token}")
        assert shop.ran(token) == 1
