from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from app.tools.context import Found, ToolContext
from app.tools.errors import BadArguments
from app.tools.outcome import Done, Finish, Outcome, Pause, Plan, PlanStep, Question
from app.tools.registry import BUILT_IN
from app.tools.tool import Tool
from tests.tools.conftest import MakeContext


def call(name: str, context: ToolContext, **arguments: object) -> Outcome:
    tool = BUILT_IN[name]
    return tool.call(tool.validated(json.dumps(arguments)), context)


def told(outcome: Outcome) -> str:
    assert isinstance(outcome, Done)
    return outcome.result


@pytest.mark.parametrize("tool", BUILT_IN.values(), ids=lambda tool: tool.name)
def test_every_tool_has_what_both_providers_ask_of_one(tool: Tool) -> None:
    built_in = BUILT_IN[tool.name]
    assert re.fullmatch("[A-Za-z0-9_-]{1,64}", built_in.name)
    assert len(built_in.description) > 20
    assert built_in.parameters["type"] == "object"
    assert built_in.idempotent, "a crash between a call and its commit repeats it"


def test_the_clock_tells_the_users_own_time_and_weekday(make_context: MakeContext) -> None:
    assert told(call("clock", make_context())) == "2026-03-01T23:30:00+00:00 (Sunday, UTC)"
    assert told(call("clock", make_context(timezone="Asia/Tokyo"))) == "2026-03-02T08:30:00+09:00 (Monday, Asia/Tokyo)"


def test_the_clock_tells_the_time_elsewhere(context: ToolContext) -> None:
    told_time = told(call("clock", context, timezone="america/new_york"))
    assert told_time == "2026-03-01T18:30:00-05:00 (Sunday, America/New_York)"


@pytest.mark.parametrize(
    ("zone", "hint"), [("Berlin", "Europe/Berlin"), ("Europe/Berln", "Europe/Berlin"), ("Los Angeles", "Angeles")]
)
def test_the_clock_suggests_what_an_unknown_zone_may_have_meant(zone: str, hint: str, context: ToolContext) -> None:
    with pytest.raises(BadArguments, match=f"no IANA time zone: '{zone}'. Perhaps .*{hint}"):
        call("clock", context, timezone=zone)


@pytest.mark.parametrize("zone", ["../../etc/passwd", "localtime\n", "posixrules"])
def test_the_clock_reads_no_file_but_a_zones(zone: str, context: ToolContext) -> None:
    with pytest.raises(BadArguments, match="no IANA time zone"):
        call("clock", context, timezone=zone)


def test_search_asks_for_what_the_model_asked_and_tells_what_was_found(make_context: MakeContext) -> None:
    asked: list[tuple[str, int]] = []

    def search(query: str, limit: int) -> Sequence[Found]:
        asked.append((query, limit))
        return [Found("t1", f"m{n}", "Boats", "a red boat", datetime(2026, 1, 1, tzinfo=UTC)) for n in range(9)]

    found = json.loads(told(call("search_threads", make_context(search=search), query="boat", limit=2)))
    assert asked == [("boat", 2)]
    assert [each["message_id"] for each in found] == ["m0", "m1"]
    assert found[0] == {
        "thread_id": "t1",
        "message_id": "m0",
        "title": "Boats",
        "excerpt": "a red boat",
        "at": "2026-01-01T00:00:00+00:00",
    }


def test_search_says_when_nothing_was_found(context: ToolContext) -> None:
    assert told(call("search_threads", context, query="boat")) == "Nothing found for 'boat'."


@pytest.mark.parametrize(
    ("seconds", "kept", "note"),
    [
        (5, 5, "Waiting 5 s."),
        (0.5, 1, "0.5 s were asked for; 1 s is the shortest wait."),
        (0, 1, "0 s were asked for; 1 s is the shortest wait."),
        (-1, 1, "-1 s were asked for; 1 s is the shortest wait."),
        (10**9, 3_600, "1e+09 s were asked for; 3600 s is the longest wait."),
        (10**300, 3_600, "1e+300 s were asked for; 3600 s is the longest wait."),
    ],
)
def test_a_wait_is_kept_within_bounds_and_says_so(
    seconds: float, kept: float, note: str, make_context: MakeContext
) -> None:
    assert call("wait", make_context(longest_wait_seconds=3_600), seconds=seconds) == Pause(kept, note)


def test_a_wait_tells_its_reason(context: ToolContext) -> None:
    assert call("wait", context, seconds=60, reason=" the build ") == Pause(60, "the build")


def test_a_question_has_its_options_once(context: ToolContext) -> None:
    outcome = call("ask_user", context, question=" Which? ", options=["a", "b ", "b"])
    assert outcome == Question("Which?", ("a", "b"))
    assert call("ask_user", context, question="Why?") == Question("Why?", ())


def test_a_plan_replaces_the_whole_plan_and_tells_how_far_it_is(context: ToolContext) -> None:
    outcome = call("plan", context, steps=[{"title": "look", "state": "done"}, {"title": "leap"}])
    assert outcome == Plan((PlanStep("look", "done"), PlanStep("leap", "pending")))
    assert isinstance(outcome, Plan)
    assert outcome.result == "Plan noted: 1 of 2 steps are over."


def test_a_plan_has_only_known_states(context: ToolContext) -> None:
    with pytest.raises(BadArguments, match=r"The argument 'steps.0.state' is wrong: input should be 'pending', 'act"):
        call("plan", context, steps=[{"title": "look", "state": "lost"}])


def test_finish_closes_with_the_answer(context: ToolContext) -> None:
    assert call("finish", context, answer=" 42 ") == Finish("42")
