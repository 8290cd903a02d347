"""Replies that call tools, written by the scripted provider step by step."""

from __future__ import annotations

from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from app.chat import goals, sending
from app.chat.sending import Draft
from app.chat.workshop import Workshop
from app.models import Status
from app.stream import events
from app.tools.tool import tool
from tests.chat.conftest import MakeWorkshop
from tests.chat.test_replying import logged, posted, status, written
from tests.chat.tooling import (
    asking_for,
    call,
    calls_of,
    offering,
    script,
    steps_of,
)
from tests.support import rows
from tests.support.rows import reply_of


def test_a_reply_calculates_and_goes_on_with_the_result(workshop: Workshop, user_id: UUID) -> None:
    job_id = posted(user_id, script(f"Let me see.\n{call('calculator', expression='6 * 7')}", "It is\n!results"))
    reply = written(workshop, job_id)
    assert (status(job_id), reply.content, reply.finish_reason) == (
        Status.COMPLETED,
        "Let me see.\n\nIt is\n42",
        "stop",
    )
    [made] = calls_of(job_id)
    assert (made.name, made.status, made.result, made.error, made.attempt) == ("calculator", "completed", "42", None, 1)
    first, second = steps_of(job_id)
    assert (first.text, first.finish_reason, second.text) == ("Let me see.", "tool_calls", "It is\n42")
    assert reply.prompt_tokens == (first.prompt_tokens or 0) + (second.prompt_tokens or 0)
    types = [event.type for event in logged(job_id)]
    assert types.index(events.TOOL_STARTED) < types.index(events.TOOL_COMPLETED)
    [shown] = logged(job_id)[-1].fields["message"]["tool_invocations"]
    assert (shown["name"], shown["arguments"], shown["result"]) == ("calculator", {"expression": "6 * 7"}, "42")
    text = "".join(event.fields["text"] for event in logged(job_id) if event.type == events.DELTA)
    assert text == reply.content


def test_what_is_offered_and_why_stands_in_the_step(workshop: Workshop, user_id: UUID) -> None:
    job_id = posted(user_id, "What is 2 + 2?")
    written(workshop, job_id)
    [step] = steps_of(job_id)
    assert step.offered is not None
    offered = {each["name"]: each for each in step.offered}
    assert offered["calculator"]["offered"]
    assert not offered["search_threads"]["offered"]
    assert all(each["reason"] for each in step.offered)


def test_parallel_calls_run_side_by_side(workshop: Workshop, user_id: UUID) -> None:
    met = Barrier(2, timeout=10)

    @tool(idempotent=True)
    def meet(name: str) -> str:
        """Meet the other call."""
        met.wait()
        return f"{name} was there"

    job_id = posted(
        user_id, script(call("meet", name="Ada") + "\n" + call("meet", name="Bob"), "!results"), **asking_for(["meet"])
    )
    reply = written(offering(workshop, meet), job_id)
    assert reply.content == "Ada was there\nBob was there"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (call("nothing"), "There is no tool of this name"),
        (call("clock"), "it was not asked for"),
        (call("calculator"), "expression"),
        (call("calculator", expression="1 / 0"), "zero"),
    ],
)
def test_the_model_is_told_what_is_wrong_with_a_call(workshop: Workshop, user_id: UUID, asked: str, told: str) -> None:
    job_id = posted(user_id, script(asked, "!results"), **asking_for(["calculator"]))
    reply = written(workshop, job_id)
    [made] = calls_of(job_id)
    assert (status(job_id), made.status) == (Status.COMPLETED, "failed")
    assert told in (made.error or "")
    assert reply.content == made.error
    assert events.TOOL_FAILED in [event.type for event in logged(job_id)]


def test_a_model_that_keeps_asking_for_nonsense_is_told_three_times(workshop: Workshop, user_id: UUID) -> None:
    job_id = posted(user_id, script(call("nothing"), call("nothing")), **asking_for(["calculator"]))
    reply = written(workshop, job_id)
    assert reply.error is not None
    assert (status(job_id), reply.error["code"]) == (Status.FAILED, "invalid_tool_calls")
    assert len(steps_of(job_id)) == 4


def test_a_reply_that_only_calls_tools_ends_at_its_limit(make_workshop: MakeWorkshop, user_id: UUID) -> None:
    more = call("calculator", expression="1 + 1")
    job_id = posted(user_id, script(f"Counting\n{more}", more))
    reply = written(make_workshop(max_tool_steps=3), job_id)
    assert (status(job_id), reply.finish_reason, reply.content) == (Status.COMPLETED, "tool_limit", "Counting")
    assert [made.status for made in calls_of(job_id)] == ["completed"] * 3


def test_a_goal_is_worked_on_until_its_tool_says_so(workshop: Workshop, user_id: UUID) -> None:
    plan = call("plan", steps=[{"title": "think", "state": "active"}])
    parts = script(f"A plan.\n{plan}", call("finish", answer="Done it."))
    goal = {"max_steps": 10, "max_seconds": 60, "budget_cents": None}
    job_id = posted(user_id, parts, parameters={"goal": goal})
    reply = written(workshop, job_id)
    assert (status(job_id), reply.finish_reason) == (Status.COMPLETED, "stop")
    assert reply.content == "A plan.\n\nDone it."


def test_a_model_that_only_talks_is_reminded_of_its_goal_once(workshop: Workshop, user_id: UUID) -> None:
    goal = {"max_steps": 10, "max_seconds": 60, "budget_cents": None}
    reply = written(workshop, posted(user_id, "Only talking.", parameters={"goal": goal}))
    assert (reply.content, reply.finish_reason) == (f"Only talking.\n\n{goals.GO_ON}", "stop")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_steps": 2, "max_seconds": 60, "budget_cents": None}, "tool_limit"),
        ({"max_steps": 50, "max_seconds": 0, "budget_cents": None}, "budget"),
        ({"max_steps": 50, "max_seconds": 60, "budget_cents": "0"}, "budget"),
    ],
)
def test_a_goal_ends_where_its_budget_does(
    workshop: Workshop, user_id: UUID, limits: dict[str, Any], reason: str
) -> None:
    plan = call("plan", steps=[{"title": "think"}])
    job_id = posted(user_id, script(f"Begun\n{plan}", plan), parameters={"goal": limits})
    reply = written(workshop, job_id)
    assert (status(job_id), reply.finish_reason) == (Status.COMPLETED, reason)


def test_the_next_message_sees_what_was_called_before(workshop: Workshop, user_id: UUID) -> None:
    first = posted(user_id, script(call("calculator", expression="6 * 7"), "It is 42."))
    written(workshop, first)
    thread_id = rows.job(first).thread_id
    second = sending.send_message(user_id, Draft("And 1 + 1?", thread_id)).reply.job_id
    assert second is not None
    written(workshop, second)
    [step] = steps_of(second)
    assert (step.prompt_tokens or 0) > 0
    assert reply_of(second).content == "And 1 + 1?"


def test_what_a_tool_returns_is_capped_for_the_model(make_workshop: MakeWorkshop, user_id: UUID) -> None:
    @tool()
    def much() -> str:
        """Say much."""
        return "x" * 50_000_000

    job_id = posted(user_id, script("!tool much", "!results"), **asking_for(["much"]))
    reply = written(offering(make_workshop(tool_result_chars=1_000), much), job_id)
    assert status(job_id) is Status.COMPLETED
    assert 1_000 <= len(reply.content) < 1_200
    assert "cut" in reply.content
