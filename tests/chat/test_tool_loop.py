"""Replies that call tools, wait and ask, written by the scripted provider step by step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.chat import answering, goals, replying, sending
from app.chat.sending import Draft
from app.chat.workshop import Workshop
from app.clock import now
from app.database import reading
from app.jobs.reaper import Reaper
from app.models import Message, Status, Step, ToolCall
from app.stream import events
from app.tools.tool import Tool, tool
from tests.chat.conftest import MakeWorkshop
from tests.chat.test_replying import logged, posted, status, written
from tests.support import rows
from tests.support.rows import outcomes, reply_of


def calls_of(job_id: UUID) -> list[ToolCall]:
    with reading() as session:
        of_reply = select(ToolCall).join(Message, Message.id == ToolCall.message_id).where(Message.job_id == job_id)
        return list(session.scalars(of_reply.order_by(ToolCall.id)))


def steps_of(job_id: UUID) -> list[Step]:
    with reading() as session:
        return list(session.scalars(select(Step).where(Step.job_id == job_id).order_by(Step.number)))


def script(*parts: str) -> str:
    """One part for each model call."""
    return "\n!step\n".join(parts)


def call(name: str, /, **arguments: Any) -> str:
    return f"!tool {name} {json.dumps(arguments)}"


def asking_for(tools: Sequence[str]) -> dict[str, Any]:
    return {"parameters": {"tools": list(tools)}}


def offering(workshop: Workshop, *extra: Tool) -> Workshop:
    """The same workshop with further tools, offered to who names them."""
    found = {one.name: one for one in extra}
    return replace(workshop, listing=lambda _: (found, {}))


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


def test_a_wait_frees_the_worker_and_the_reply_goes_on(workshop: Workshop, user_id: UUID, reaper: Reaper) -> None:
    job_id = posted(user_id, script(f"First\n{call('wait', seconds=600, reason='for the kettle')}", "then tea"))
    replying.process_message(workshop, job_id)
    job = rows.job(job_id)
    assert (job.status, job.waits, job.lease_id, job.settled, job.checkpoint) == (
        Status.WAITING,
        0,
        None,
        "First",
        "First",
    )
    [waiting] = [event for event in logged(job_id) if event.type == events.WAITING]
    assert waiting.fields["reason"] == "for the kettle"
    rows.set_job(job_id, wake_at=now(-1))
    reaper.pass_once()
    reply = written(workshop, job_id)
    assert (status(job_id), reply.content) == (Status.COMPLETED, "First\n\nthen tea")
    assert outcomes(job_id) == {1: "waiting", 2: "completed"}
    assert [made.status for made in calls_of(job_id)] == ["completed"]
    assert len(steps_of(job_id)) == 2


def test_a_call_that_may_not_be_repeated_is_unknown_after_a_crash(
    workshop: Workshop, user_id: UUID, reaper: Reaper
) -> None:
    ran: list[str] = []

    @tool()
    def pay(amount: int) -> str:
        """Pay."""
        ran.append("pay")
        return "paid"

    @tool(idempotent=True)
    def look(at: str) -> str:
        """Look."""
        ran.append("look")
        return "seen"

    asked = script(call("pay", amount=5) + "\n" + call("look", at="it"), "!results")
    job_id = posted(user_id, asked, **asking_for(["pay", "look"]))
    crashed_while_calling(workshop, job_id, pay, look)
    reaper.pass_once()
    reply = written(offering(workshop, pay, look), job_id)
    assert (status(job_id), ran) == (Status.COMPLETED, ["look"])
    unknown, seen = calls_of(job_id)
    assert (unknown.status, unknown.attempt, seen.status, seen.attempt) == ("failed", 1, "completed", 2)
    assert "unknown" in (unknown.error or "")
    assert reply.content == f"{unknown.error}\nseen"
    assert len(steps_of(job_id)) == 2


def crashed_while_calling(workshop: Workshop, job_id: UUID, *tools: Tool) -> None:
    """Bring the reply to where its calls are begun and none has ended, and lose the worker there."""

    def lose(*_: Any) -> Any:
        raise SystemExit

    class Dying:
        run = staticmethod(lose)

    with pytest.raises(SystemExit):
        replying.process_message(replace(offering(workshop, *tools), runner=Dying()), job_id)  # type: ignore[arg-type]
    rows.set_job(job_id, lease_id=None)


def test_a_question_frees_the_worker_until_it_is_answered(workshop: Workshop, user_id: UUID) -> None:
    asked = call("ask_user", question="Tea or coffee?", options=["tea", "coffee"])
    job_id = posted(user_id, script(asked, "You said\n!results"), **asking_for(["ask_user"]))
    replying.process_message(workshop, job_id)
    reply = reply_of(job_id)
    assert status(job_id) is Status.REQUIRES_ACTION
    assert reply.required_action is not None
    action = reply.required_action
    assert (action["type"], action["prompt"], action["options"]) == ("input", "Tea or coffee?", ["tea", "coffee"])
    [told] = [event for event in logged(job_id) if event.type == events.REQUIRES_ACTION]
    assert told.fields["required_action"] == action
    answering.answer(user_id, reply.id, UUID(action["id"]), content="tea")
    reply = written(workshop, job_id)
    assert (status(job_id), reply.content, reply.required_action) == (Status.COMPLETED, "You said\ntea", None)


def test_a_question_that_nobody_answers_in_time_fails_the_reply(
    make_workshop: MakeWorkshop, user_id: UUID, reaper: Reaper
) -> None:
    asked = call("ask_user", question="Are you there?")
    job_id = posted(user_id, script(f"Well\n{asked}", "never"), **asking_for(["ask_user"]))
    replying.process_message(make_workshop(action_seconds=0.001), job_id)
    reaper.pass_once()
    reply = reply_of(job_id)
    assert reply.error is not None
    assert (status(job_id), reply.error["code"], reply.content) == (Status.FAILED, "action_expired", "Well")
    assert [made.status for made in calls_of(job_id)] == ["failed"]


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
