"""Replies that wait, ask, and are steered."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from flask import Flask

from app.chat import answering, cancelling, pausing, reading, replying, sending
from app.chat.answering import Decision
from app.chat.sending import Draft
from app.chat.workshop import Workshop
from app.clock import now
from app.jobs.reaper import Reaper
from app.models import Status
from app.stream import events
from app.tools.tool import tool
from tests.chat.conftest import MakeWorkshop
from tests.chat.test_replying import logged, posted, status, written
from tests.chat.tooling import (
    asking_for,
    call,
    calls_of,
    holding,
    offering,
    script,
    steps_of,
    written_aside,
)
from tests.support import rows
from tests.support.rows import outcomes, reply_of
from tests.support.stack import until


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
    [over] = [event for event in logged(job_id) if event.type == events.TOOL_COMPLETED]
    assert (over.attempt, over.fields["invocation"]["result"]) == (1, "tea")
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


def test_a_cancel_does_not_wait_for_a_tool(app: Flask, workshop: Workshop, user_id: UUID) -> None:
    job_id = posted(user_id, script("Calling\n!tool hold", "never"), **asking_for(["hold"]))
    with holding(app, workshop, job_id):
        cancelling.cancel(user_id, reply_of(job_id).id)
        until(lambda: status(job_id) is Status.CANCELLED, 5, "the cancel")
    reply = reply_of(job_id)
    [made] = calls_of(job_id)
    assert (reply.content, reply.finish_reason, made.status, made.result) == ("Calling", "cancelled", "failed", None)
    assert "unknown" in (made.error or "")
    assert len(steps_of(job_id)) == 1


@pytest.mark.parametrize(("asked", "kept"), [(-1, 1), (0, 1), (10**9, 604_800)])
def test_a_wait_is_kept_within_bounds_and_says_so(workshop: Workshop, user_id: UUID, asked: int, kept: int) -> None:
    job_id = posted(user_id, script(call("wait", seconds=asked), "over"), **asking_for(["wait"]))
    replying.process_message(workshop, job_id)
    [waiting] = [event for event in logged(job_id) if event.type == events.WAITING]
    assert f"{kept:g} s" in waiting.fields["reason"]
    job = rows.job(job_id)
    assert job.wake_at is not None
    left = (job.wake_at - datetime.now(UTC)).total_seconds()
    assert kept - 60 < left <= kept


def test_an_approval_runs_what_was_approved_as_it_was_edited(workshop: Workshop, user_id: UUID) -> None:
    ran: list[str] = []

    @tool(approval=True)
    def erase(path: str) -> str:
        """Erase."""
        ran.append(path)
        return f"erased {path}"

    with_erase = offering(workshop, erase)
    asked = call("erase", path="a") + "\n" + call("erase", path="b") + "\n" + call("calculator", expression="1 + 1")
    job_id = posted(user_id, script(asked, "!results"), **asking_for(["erase", "calculator"]))
    replying.process_message(with_erase, job_id)
    reply = reply_of(job_id)
    assert (status(job_id), ran) == (Status.REQUIRES_ACTION, [])
    assert reply.required_action is not None
    first, second = reply.required_action["tool_invocations"]
    decisions = [
        Decision(UUID(first["id"]), approve=True, arguments={"path": "c"}),
        Decision(UUID(second["id"]), approve=False, reason="Keep it."),
    ]
    answering.answer(user_id, reply.id, UUID(reply.required_action["id"]), decisions=decisions)
    reply = written(with_erase, job_id)
    assert (status(job_id), ran) == (Status.COMPLETED, ["c"])
    assert reply.content == "erased c\nThe user refused this call. Keep it.\n2"


def test_a_steering_message_enters_before_the_next_model_call_and_stays_there(
    workshop: Workshop, user_id: UUID
) -> None:
    wait = call("wait", seconds=600)
    job_id = posted(user_id, script(wait, f"You said:\n!heard\n{wait}", "Done."), **asking_for(["wait"]))
    replying.process_message(workshop, job_id)
    thread_id = rows.job(job_id).thread_id
    sent = sending.send_message(user_id, Draft("Hurry up!", thread_id, busy="steer"))
    assert sent.reply.job_id == job_id
    pausing.wake(user_id, sent.reply.id)
    replying.process_message(workshop, job_id)
    pausing.wake(user_id, sent.reply.id)
    reply = written(workshop, job_id)
    assert (status(job_id), reply.content) == (Status.COMPLETED, "You said:\nHurry up!\n\nDone.")
    assert [(step.kind, step.attempt) for step in steps_of(job_id)] == [
        ("model", 1),
        ("said", 2),
        ("model", 2),
        ("model", 3),
    ]
    shown = reading.path(user_id, thread_id, limit=10, cursor=None).items
    assert [message.content for message in shown][1:] == ["Hurry up!", reply.content]


def test_a_steering_message_that_comes_too_late_gets_a_reply_of_its_own(
    app: Flask, workshop: Workshop, user_id: UUID
) -> None:
    job_id = posted(user_id, "!delay 0.01\n!words 100")
    thread_id = rows.job(job_id).thread_id
    with written_aside(app, workshop, job_id):
        until(lambda: any(event.type == events.DELTA for event in logged(job_id)), what="the first words")
        steering = sending.send_message(user_id, Draft("And this?", thread_id, busy="steer")).message
    shown = reading.path(user_id, thread_id, limit=10, cursor=None).items
    assert [message.role for message in shown] == ["user", "assistant", "user", "assistant"]
    assert (shown[2].id, shown[3].status) == (steering.id, Status.PENDING)
    assert shown[3].job_id is not None
    assert written(workshop, shown[3].job_id).content == "And this?"
