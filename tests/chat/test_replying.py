"""Replies written from end to end by the scripted provider, in a real presence, without Celery."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import pytest

from app.chat import replying, sending
from app.chat.sending import Draft
from app.chat.workshop import Workshop
from app.clock import now
from app.extensions import db, redis
from app.jobs.reaper import Reaper
from app.models import Message, Status
from app.stream import events, log
from app.stream.events import Event
from tests.chat.conftest import MakeWorkshop
from tests.support import rows
from tests.support.broker import wake_ups
from tests.support.rows import outcomes, reply_of
from tests.support.stack import until
from tests.support.statements import asked


def posted(user_id: UUID, script: str, **more: Any) -> UUID:
    """The job of a new reply to `script`."""
    sent = sending.send_message(user_id, Draft(script, **more))
    assert sent.reply.job_id is not None
    return sent.reply.job_id


def written(workshop: Workshop, job_id: UUID) -> Message:
    """The reply, after one wake-up."""
    replying.process_message(workshop, job_id)
    return reply_of(job_id)


def logged(job_id: UUID) -> list[Event]:
    """What the log has of the reply, from its claim on."""
    reply = reply_of(job_id)
    tail = log.read_tail(redis(), str(reply.thread_id), count=5_000)
    return [event for event in tail if event.message_id == str(reply.id) and event.type != events.CREATED]


def status(job_id: UUID) -> Status:
    return rows.job(job_id).status


def test_a_reply_is_written_told_and_stored_with_its_usage(workshop: Workshop, user_id: UUID) -> None:
    job_id = posted(user_id, "!reason because\nHello there")
    reply = written(workshop, job_id)
    assert (status(job_id), reply.content, reply.finish_reason) == (Status.COMPLETED, "Hello there", "stop")
    assert (reply.error, reply.usage_estimated) == (None, False)
    assert min(reply.prompt_tokens or 0, reply.completion_tokens or 0) > 0
    assert (reply.reasoning_tokens or 0) > 0
    types = [event.type for event in logged(job_id)]
    assert types[0] == events.PROCESSING
    assert set(types[1:-1]) == {events.REASONING, events.DELTA}
    assert types[-1] == events.COMPLETED
    assert "".join(e.fields["text"] for e in logged(job_id) if e.type == events.DELTA) == "Hello there"
    assert logged(job_id)[-1].cursor == reply.terminal_cursor
    assert outcomes(job_id) == {1: "completed"}
    assert rows.job(job_id).checkpoint == ""


def test_a_second_wake_up_and_one_for_no_job_do_nothing(workshop: Workshop, user_id: UUID) -> None:
    job_id = posted(user_id, "Hello")
    first = written(workshop, job_id)
    entries = len(logged(job_id))
    second = written(workshop, job_id)
    replying.process_message(workshop, UUID(int=7))
    assert (second.content, second.updated_at, len(logged(job_id))) == (first.content, first.updated_at, entries)


def test_the_end_of_a_reply_wakes_the_next_in_its_thread(workshop: Workshop, user_id: UUID) -> None:
    first = posted(user_id, "one")
    second = posted(user_id, "two", thread_id=rows.job(first).thread_id)
    redis().delete("replies")
    replying.process_message(workshop, second)
    assert status(second) is Status.PENDING
    written(workshop, first)
    assert wake_ups(redis()) == [second]
    assert written(workshop, second).content == "two"


def test_a_failed_try_is_taken_back_and_the_next_one_told_whole(workshop: Workshop, user_id: UUID) -> None:
    said = f"word {user_id}"  # a script of its own: failures are counted by script
    job_id = posted(user_id, f"Half a\n!error 429 retry-after=0 times=1\n{said}")
    assert written(workshop, job_id).content == f"Half a\n{said}"
    text = ""
    for event in logged(job_id):
        if event.type == events.RESET:
            assert (text, event.fields["text"]) == ("Half a", "")
            text = ""
        elif event.type == events.DELTA:
            text += event.fields["text"]
    assert text == f"Half a\n{said}"
    assert (outcomes(job_id), events.RESET in [e.type for e in logged(job_id)]) == ({1: "completed"}, True)


def test_tries_end_and_their_text_is_kept(make_workshop: MakeWorkshop, user_id: UUID) -> None:
    job_id = posted(user_id, "Half\n!error 500 retry-after=0")
    reply = written(make_workshop(provider_retries=1), job_id)
    assert (status(job_id), reply.content, reply.finish_reason) == (Status.FAILED, "Half", "error")
    assert reply.usage_estimated
    assert reply.error is not None
    assert (reply.error["code"], reply.error["retryable"]) == ("provider_unavailable", True)
    assert [event.type for event in logged(job_id)].count(events.RESET) == 1


def test_a_long_wait_frees_the_worker_and_ends_with_the_reply(
    workshop: Workshop, user_id: UUID, reaper: Reaper
) -> None:
    job_id = posted(user_id, f"Begun {user_id}\n!error 429 retry-after=600 times=1\nended")
    replying.process_message(workshop, job_id)
    job = rows.job(job_id)
    assert (job.status, job.waits, job.crashes, job.lease_id) == (Status.WAITING, 1, 0, None)
    assert job.wake_at is not None
    assert job.deadline_at is not None
    assert 590 < (job.wake_at - job.created_at).total_seconds() < 660
    assert (job.deadline_at - job.wake_at).total_seconds() > 800
    until(lambda: logged(job_id)[-1].type == events.WAITING, what="being told to wait")
    replying.process_message(workshop, job_id)
    assert status(job_id) is Status.WAITING
    rows.set_job(job_id, wake_at=now(-1))
    redis().delete("replies")
    reaper.pass_once()
    assert wake_ups(redis()) == [job_id]
    assert written(workshop, job_id).content == f"Begun {user_id}\nended"
    assert outcomes(job_id) == {1: "waiting", 2: "completed"}
    told = [(event.attempt, event.type) for event in logged(job_id)]
    assert told.index((1, events.WAITING)) < told.index((2, events.RESET)) < told.index((2, events.PROCESSING))


@pytest.mark.parametrize(
    ("script", "waits"), [("!error 429 retry-after=99999", 0), ("!error 429 retry-after=600", 5), ("!error 400", 0)]
)
def test_a_wait_that_is_too_long_or_one_too_many_fails_the_reply(
    workshop: Workshop, user_id: UUID, script: str, waits: int
) -> None:
    job_id = posted(user_id, script)
    rows.set_job(job_id, waits=waits)
    assert written(workshop, job_id).error is not None
    assert status(job_id) is Status.FAILED


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("!error 401", "provider_unauthorized"),
        ("!error 400", "provider_refused"),
        ("!error 404", "provider_refused"),
        ("!unknown", "provider_refused"),
        ("!cut", "provider_stream_cut"),
        ("!finish content_filter", "content_filter"),
        ("!tool roll {}", "unexpected_tool_call"),
    ],
)
def test_what_a_provider_refuses_fails_with_a_code_and_advice(
    make_workshop: MakeWorkshop, user_id: UUID, script: str, code: str
) -> None:
    job_id = posted(user_id, f"Said first\n{script}")
    reply = written(make_workshop(provider_retries=0), job_id)
    assert (status(job_id), reply.content) == (Status.FAILED, "Said first")
    assert reply.error is not None
    assert reply.error["code"] == code
    assert len(reply.error["message"]) > 20
    assert reply.finish_reason == ("content_filter" if code == "content_filter" else "error")
    assert logged(job_id)[-1].fields["message"]["error"]["code"] == code


def test_a_reply_cut_at_its_length_is_completed_and_says_so(workshop: Workshop, user_id: UUID) -> None:
    job_id = posted(user_id, "Long\n!finish length")
    assert written(workshop, job_id).finish_reason == "length"
    assert status(job_id) is Status.COMPLETED


def test_a_silent_model_fails_the_reply(make_workshop: MakeWorkshop, user_id: UUID) -> None:
    job_id = posted(user_id, "A word\n!silence")
    reply = written(make_workshop(between_tokens_seconds=0.1, provider_retries=0), job_id)
    assert reply.error is not None
    assert (reply.content, reply.error["code"]) == ("A word", "provider_timeout")


def test_a_deadline_ends_even_a_silent_reply_and_keeps_its_text(make_workshop: MakeWorkshop, user_id: UUID) -> None:
    job_id = posted(user_id, "A word\n!silence")
    reply = written(make_workshop(reply_seconds=0.3), job_id)
    assert reply.error is not None
    assert (status(job_id), reply.content, reply.error["code"]) == (Status.FAILED, "A word", "deadline_exceeded")


def test_a_reply_whose_model_has_gone_fails_with_advice(make_workshop: MakeWorkshop, user_id: UUID) -> None:
    job_id = posted(user_id, "hello")
    reply = written(make_workshop(scripted=False), job_id)
    assert reply.error is not None
    assert (status(job_id), reply.error["code"]) == (Status.FAILED, "model_unavailable")


def test_names_too_long_for_their_columns_do_not_keep_a_reply_from_ending(workshop: Workshop, user_id: UUID) -> None:
    job_id = posted(user_id, f"!tool {'n' * 300} {{}}")
    reply = written(workshop, job_id)
    assert reply.error is not None
    assert (status(job_id), reply.error["code"]) == (Status.FAILED, "unexpected_tool_call")
    [call] = logged(job_id)[-1].fields["message"]["tool_invocations"]
    assert (call["name"], call["status"], call["arguments"]) == ("n" * 200, "failed", {})


def test_a_reply_costs_its_worker_so_many_statements(workshop: Workshop, user_id: UUID) -> None:
    """Pinned, so that a loop over rows cannot creep in; PostgreSQL waits a round trip for each."""
    job_id = posted(user_id, "Hello there")
    with asked(db.engine) as found:
        replying.process_message(workshop, job_id)
    own = [one.statement for one in found if one.thread == threading.current_thread().name]
    assert len(own) == {"sqlite": 15, "postgresql": 13}[db.engine.dialect.name]
