"""The provider's log of calls: G3 and G8."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from app.chat import sending
from app.chat import steering as steer
from app.chat.sending import Draft
from app.clock import now
from app.database import reading, transaction
from app.extensions import settings
from app.models import Job, Step
from tests.chat.acting import Acting
from tests.check.conftest import Check
from tests.check.story import Story, cancel, set_attempt, set_message
from tests.support import rows


class CallLog:
    """A provider's file, written by the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._calls = 0
        path.touch()

    def call(self, model: str, question: str, begins: float, ends: float | None, **headers: str) -> CallLog:
        """One request and its end, in seconds from now."""
        return self.conversation(model, [{"role": "user", "content": question}], begins, ends, **headers)

    def conversation(
        self, model: str, said: list[dict[str, str]], begins: float, ends: float | None, **headers: str
    ) -> CallLog:
        """The same, after all that was said before."""
        self._calls += 1
        messages = [{"role": "system", "content": "facts"}, *said]
        self._write("request", begins, dialect="openai", model=model, messages=messages, headers=headers)
        if ends is not None:
            self._write("closed", ends, by="client", tokens=3)
        return self

    def _write(self, event: str, at: float, **more: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"event": event, "call": self._calls, "time": time.time() + at, **more}) + "\n")


@pytest.fixture
def calls(tmp_path: Path) -> CallLog:
    return CallLog(tmp_path / "calls.jsonl")


@pytest.fixture
def asked(story: Story) -> Acting:
    """A reply, cancelled some time ago, whose provider is fake."""
    acting = Acting(story.user_id).begin()
    cancel(acting)
    set_message(acting, model_id="openai/fake-t20")
    rows.set_job(acting.job_id, cancel_requested_at=now(-20), finished_at=now(-19), started_at=now(-60))
    return acting


def test_calls_as_they_should_be(check: Check, asked: Acting, calls: CallLog) -> None:
    calls.call("fake-t20", "hello", -50, -45).call("fake-t20", "hello", -44, -18)
    report = check("--provider", calls.path)
    assert (report.code, report.violated) == (0, set()), report.stdout
    assert "2 provider calls" in report.about("G3")[0]
    assert "2 calls of cancelled replies" in report.about("G8")[0]


def test_more_calls_than_attempts_and_their_retries(check: Check, asked: Acting, calls: CallLog) -> None:
    allowed = settings().provider_retries + 1
    for _ in range(allowed):
        calls.call("fake-t20", "hello", -50, -45)
    assert check("--provider", calls.path).violated == set()
    calls.call("fake-t20", "hello", -50, -45)
    what = f"its provider was called {allowed + 1} times, its attempts allow {allowed}"
    assert check("--provider", calls.path).says("G3", what)


def test_a_call_that_began_after_the_cancel(check: Check, asked: Acting, calls: CallLog) -> None:
    calls.call("fake-t20", "hello", -50, -45).call("fake-t20", "hello", -10, -9)
    assert check("--provider", calls.path).says("G8", "its provider was called 10.")
    assert check("--provider", calls.path, "--faults-ended", time.time() - 12).violated == set()


@pytest.mark.parametrize("ends", [-10, None])
def test_a_connection_that_stayed_open_after_the_cancel(
    check: Check, asked: Acting, calls: CallLog, ends: float | None
) -> None:
    calls.call("fake-t20", "hello", -50, ends).call("another", "word", -1, -1)
    assert check("--provider", calls.path).says("G8", "its provider's connection was open")


def test_a_call_that_is_open_where_the_log_ends_may_have_ended(check: Check, asked: Acting, calls: CallLog) -> None:
    calls.call("fake-t20", "hello", -50, None)
    assert check("--provider", calls.path).violated == set()


def test_calls_that_cannot_be_told_apart_are_counted_together(check: Check, asked: Acting, calls: CallLog) -> None:
    set_message(Acting(user_of(asked)), model_id="openai/fake-t20")
    calls.call("fake-t20", "hello", -10, -1)
    assert check("--provider", calls.path).violated == set()


def user_of(acting: Acting) -> UUID:
    with reading() as session:
        assert session.scalars(select(Job.id).where(Job.id == acting.job_id)).one()
    return acting.sent.message.user_id


def test_calls_for_nobody_are_mentioned(check: Check, story: Story, calls: CallLog) -> None:
    calls.call("fake-t5", "who is there?", -5, -4)
    report = check("--provider", calls.path)
    assert "1 calls for fake-t5 belong to no stored reply" in report.about("G3")[0]


def test_several_logs_are_read(check: Check, asked: Acting, calls: CallLog, tmp_path: Path) -> None:
    other = CallLog(tmp_path / "other.jsonl").call("fake-t20", "hello", -50, -45)
    calls.call("fake-t20", "hello", -44, -43)
    report = check("--provider", calls.path, "--provider", other.path)
    assert "2 provider calls" in report.about("G3")[0]


def test_a_worker_that_is_frozen_cannot_close_its_connection(check: Check, asked: Acting, calls: CallLog) -> None:
    set_attempt(asked, 1, outcome="crashed")
    rows.set_job(asked.job_id, crashes=1)
    calls.call("fake-t20", "hello", -50, -3)
    assert check("--provider", calls.path).violated == set()
    calls.call("fake-t20", "hello", -10, -9)
    assert check("--provider", calls.path).violated == {"G8"}


def a_conversation(*said: tuple[str, str]) -> list[dict[str, str]]:
    """Messages of these roles and contents."""
    return [{"role": role, "content": content} for role, content in said]


def test_the_calls_of_all_steps_belong_to_the_reply(check: Check, asked: Acting, calls: CallLog) -> None:
    with transaction() as session:
        for number in (1, 2):
            session.execute(insert(Step).values(job_id=asked.job_id, number=number, attempt=1, kind="model"))
    allowed = 3 * (settings().provider_retries + 1)
    for _ in range(allowed):
        said = a_conversation(("user", "hello"), ("assistant", ""), ("tool", "42"), ("user", "Go on."))
        calls.conversation("fake-t20", said, -50, -45)
    report = check("--provider", calls.path)
    assert report.violated == set()
    assert "belong to no stored reply" not in report.about("G3")[0]
    calls.call("fake-t20", "hello", -50, -45)
    assert check("--provider", calls.path).says("G3", f"called {allowed + 1} times, its attempts allow {allowed}")


def test_the_calls_before_and_after_a_message_that_steers_belong_to_the_reply(
    check: Check, story: Story, calls: CallLog
) -> None:
    running = Acting(story.user_id).begin()
    set_message(running, model_id="openai/fake-t20")
    steering = sending.send_message(story.user_id, Draft("no", running.thread_id, busy="steer"))
    with transaction() as session:
        steer.take_steers(session, running.job_id, running.reply_id)
    cancel(running)
    rows.set_job(running.job_id, cancel_requested_at=now(-20), finished_at=now(-19), started_at=now(-60))
    assert rows.reply_of(running.job_id).parent_id == steering.message.id
    calls.call("fake-t20", "hello", -50, -45)
    calls.conversation("fake-t20", a_conversation(("user", "hello"), ("assistant", "x"), ("user", "no")), -44, -43)
    report = check("--provider", calls.path)
    assert report.violated == set()
    assert "belong to no stored reply" not in report.about("G3")[0]
    assert "2 calls of cancelled replies" in report.about("G8")[0]
    calls.conversation("fake-t20", a_conversation(("user", "hello"), ("user", "no")), -9, -8)
    assert check("--provider", calls.path).says("G8", "its provider was called 1")
