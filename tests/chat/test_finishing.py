from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete, select

from app.chat import finishing
from app.chat.outcome import Outcome
from app.chat.steps import ModelCall
from app.database import reading, transaction
from app.extensions import redis
from app.jobs import lifecycle
from app.jobs.reaper import Abandoned
from app.llm.types import Usage
from app.models import Message, Status, Step
from app.stream import events, log
from tests.chat.acting import Acting
from tests.support import rows
from tests.support.at_once import at_once


@pytest.fixture
def acting(user_id: UUID) -> Acting:
    return Acting(user_id).begin()


def ends(acting: Acting) -> list[str]:
    """The last events that the log has of the reply."""
    return [event.type for event in log.read_tail(redis(), str(acting.thread_id)) if event.is_terminal]


def test_an_end_under_a_lost_claim_writes_nothing(acting: Acting) -> None:
    lost = acting.claim
    acting.crash().say("second")
    assert not finishing.finish(lost, Outcome(Status.COMPLETED, "late", "stop"))
    assert rows.job(acting.job_id).status is Status.PROCESSING
    assert rows.reply_of(acting.job_id).content == ""
    assert ends(acting) == []


def test_of_two_ends_the_first_stays(acting: Acting) -> None:
    assert finishing.finish(acting.claim, Outcome(Status.COMPLETED, "first", "stop"))
    assert not finishing.finish(acting.claim, Outcome(Status.FAILED, "second", "error"))
    finishing.end_abandoned(Abandoned(acting.job_id, 1, "cancelled", orphaned=False))
    finishing.end_abandoned(Abandoned(acting.job_id, 1, "crashed", orphaned=True))
    reply = rows.reply_of(acting.job_id)
    assert (rows.job(acting.job_id).status, reply.content, reply.error) == (Status.COMPLETED, "first", None)
    assert ends(acting) == [events.COMPLETED]


def test_worker_and_reaper_ending_a_reply_at_once_end_it_once(app: Flask, user_id: UUID) -> None:
    for _ in range(5):
        acting = Acting(user_id).begin().say("text")
        rows.lapse(acting.claim.lease_id)
        abandoned = Abandoned(acting.job_id, 1, "cancelled", orphaned=True)
        finishers: list[Callable[[], object]] = [
            lambda a=acting: finishing.finish(a.claim, Outcome(Status.COMPLETED, "text", "stop")),
            lambda a=abandoned: finishing.end_abandoned(a),
        ]
        assert not [error for error in at_once(app, finishers) if isinstance(error, Exception)]
        job, reply = rows.job(acting.job_id), rows.reply_of(acting.job_id)
        finish_reason = {Status.COMPLETED: "stop", Status.CANCELLED: "cancelled"}[job.status]
        assert (reply.finish_reason, reply.content) == (finish_reason, "text")
        assert ends(acting) == [f"message.{job.status}"]
        assert len(rows.outcomes(acting.job_id)) == 1


def test_an_end_announced_again_is_told_once_and_keeps_its_place(acting: Acting) -> None:
    acting.say("text")
    acting.end()
    cursor = rows.reply_of(acting.job_id).terminal_cursor
    for _ in range(3):
        assert finishing.announce(acting.job_id)
    assert ends(acting) == [events.COMPLETED]
    assert rows.reply_of(acting.job_id).terminal_cursor == cursor


def test_what_was_asked_and_counted_is_kept_as_a_step(acting: Acting) -> None:
    usage = Usage(10, 20, cached_tokens=3, reasoning_tokens=4)
    call = ModelCall(1, 1, "scripted/echo", acting.claim.claimed_at, "text", "stop", usage, request_id="r" * 500)
    finishing.finish(acting.claim, Outcome(Status.COMPLETED, "text", "stop", call))
    with reading() as session:
        step = session.scalars(select(Step).where(Step.job_id == acting.job_id)).one()
    assert (step.number, step.attempt, step.kind, step.text, step.finish_reason) == (1, 1, "model", "text", "stop")
    assert (step.prompt_tokens, step.completion_tokens, step.request_id) == (10, 20, "r" * 200)
    reply = rows.reply_of(acting.job_id)
    counted = (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens, reply.reasoning_tokens)
    assert counted == (10, 20, 3, 4)
    assert reply.cost_in_cents == 0


def test_a_job_without_a_message_is_announced_to_nobody_and_not_again(acting: Acting) -> None:
    with transaction() as session:
        assert lifecycle.finish(session, acting.claim, Status.COMPLETED)
        session.execute(delete(Message).where(Message.job_id == acting.job_id))
    assert finishing.announce(acting.job_id)
    assert rows.job(acting.job_id).announced_at is not None


@pytest.mark.parametrize(
    ("why", "status", "code"),
    [
        ("cancelled", Status.CANCELLED, None),
        ("deadline", Status.FAILED, "deadline_exceeded"),
        ("crashed", Status.FAILED, "crashed_repeatedly"),
    ],
)
def test_an_abandoned_reply_keeps_what_row_and_log_know_of_it(
    acting: Acting, why: str, status: Status, code: str | None
) -> None:
    acting.say("Once ").keep().say("upon ", "a time")
    rows.lapse(acting.claim.lease_id)
    finishing.end_abandoned(Abandoned(acting.job_id, 1, why, orphaned=True))
    reply = rows.reply_of(acting.job_id)
    assert (rows.job(acting.job_id).status, reply.content) == (status, "Once upon a time")
    assert (reply.error["code"] if reply.error else None) == code
    assert (rows.job(acting.job_id).checkpoint, reply.completed_at is None) == ("", False)
