"""Tool calls: what rows and a tool server's log tell of G7, and of G8 what began after a cancel."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from app.chat.objects import Sent
from app.clock import now
from app.database import transaction
from app.models import Status, Step
from tests.check.agent import Agent, Harm, call, calls_of, job_of, set_call, with_call, with_job
from tests.check.conftest import Check
from tests.check.story import Story, set_attempt
from tests.support import rows


@pytest.fixture
def called(agent: Agent) -> Sent:
    """A reply whose worker died while it paid and looked: the next one looked again and completed it."""
    sent = agent.post("So.\n" + call("pay", token="once") + "\n" + call("look", token="often"), "Well,\n!results")
    agent.crash_while_calling(sent)
    agent.work(sent)
    assert rows.job(job_of(sent)).status is Status.COMPLETED
    return sent


def test_of_tools_that_were_called_as_they_should_be_everything_is_held(check: Check, agent: Agent) -> None:
    sent = agent.post(call("pay", token="a") + "\n" + call("look", token="b"), call("erase", token="c"), "!results")
    agent.work(sent)
    assert rows.job(job_of(sent)).status is Status.REQUIRES_ACTION
    report = check()
    assert (report.code, report.violated) == (0, set()), report.stdout
    assert report.about("G7")[0].endswith("held            3 tool calls  (without --tools)")


def test_after_a_crash_too_before_and_after_the_next_attempt(check: Check, agent: Agent) -> None:
    sent = agent.post(call("pay", token="a") + "\n" + call("look", token="b"), "!results")
    agent.crash_while_calling(sent)
    assert {row.status for row in calls_of(sent).values()} == {"processing"}
    assert check().violated == set()
    agent.work(sent)
    found = calls_of(sent)
    assert (found["pay"].status, found["look"].status, agent.ran) == ("failed", "completed", ["look"])
    assert check().violated == set()


def of_a_pending_job(sent: Sent) -> None:
    """A call runs although nobody works on its reply, and nobody was lost."""
    set_call(sent, "pay", status="processing", completed_at=None)
    rows.set_job(job_of(sent), status=Status.PENDING)


@pytest.mark.parametrize("status", ["pending", "processing", "waiting", "requires_action"])
def test_a_call_that_is_open_in_a_reply_that_has_ended(check: Check, called: Sent, status: str) -> None:
    set_call(called, "pay", status=status, completed_at=None)
    assert check().says("G7", f"of pay is {status} although the reply has ended")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (with_call("pay", completed_at=None), "of pay is failed without a completed_at"),
        (with_call("look", completed_at=None), "of look is completed without a completed_at"),
        (with_call("look", started_at=None), "of look was begun without a started_at"),
        (with_call("look", result=None), "of look is completed without a result"),
        (with_call("pay", error=None), "of pay failed without an error"),
        (with_call("look", attempt=0), "of look is completed, but was never begun"),
        (with_call("pay", attempt=0), "of pay has a started_at, but no attempt that began it"),
        (with_call("look", attempt=3), "of look was begun by attempt 3 of 2"),
        (with_call("look", attempt=-1), "of look was begun by attempt -1 of 2"),
        (with_call("pay", status="completed", result="paid"), "of pay may not be repeated, was begun by attempt 1 and"),
        (of_a_pending_job, "of pay is processing in a reply that is pending"),
    ],
)
def test_calls_that_contradict_their_replies(check: Check, called: Sent, harm: Harm, said: str) -> None:
    assert check().violated == set()
    harm(called)
    assert check().says("G7", said), check().stdout


def test_a_call_that_was_begun_before_it_was_asked_for(check: Check, called: Sent) -> None:
    with transaction() as session:
        session.execute(update(Step).where(Step.job_id == job_of(called)).values(attempt=2))
    assert check().says("G7", "of pay was begun by attempt 1, but asked for by attempt 2")


def test_a_call_of_another_replys_step(check: Check, called: Sent, story: Story) -> None:
    with transaction() as session:
        session.execute(update(Step).where(Step.job_id == job_of(called)).values(job_id=story.first.job_id))
    assert check().says("G7", "belongs to a step of another reply")


def test_a_call_that_a_later_step_left_open(check: Check, called: Sent) -> None:
    rows.set_job(job_of(called), status=Status.PROCESSING, finished_at=None)
    set_call(called, "look", status="pending", completed_at=None)
    assert check().says("G7", "of look is pending although a later step is stored")


@pytest.mark.parametrize(
    ("status", "said"),
    [("processing", "is processing in a reply that is requires_action"), ("waiting", "is waiting in a reply that")],
)
def test_a_call_that_does_what_its_reply_does_not(check: Check, agent: Agent, status: str, said: str) -> None:
    sent = agent.post(call("erase", token="a"), "never")
    agent.work(sent)
    set_call(sent, "erase", status=status)
    assert check().says("G7", said)


def test_a_result_may_come_in_the_moment_before_the_next_attempt(check: Check, called: Sent) -> None:
    set_call(called, "pay", status="completed", result="paid", completed_at=now(-10))
    set_attempt_start(called, 1, now(-20))
    assert check().violated == set()


def set_attempt_start(sent: Sent, number: int, at: Any) -> None:
    class Of:
        job_id = job_of(sent)

    set_attempt(Of(), number, started_at=at)


def test_a_call_that_began_after_the_cancel(check: Check, called: Sent) -> None:
    with_job(cancel_requested_at=now(-4), status=Status.CANCELLED)(called)
    assert "G8" not in check().violated
    with_job(cancel_requested_at=now(-20))(called)
    assert check().says("G8", "s after the cancel")
    assert "G8" not in check("--faults-ended", time.time()).violated


class Runs:
    """A tool server's file, written by the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def ran(self, name: str, *, at: float = 0, idempotent: bool = False, **key: object) -> Runs:
        """One run, `at` seconds from now."""
        line = {"name": name, "idempotent": idempotent, "at": time.time() + at}
        with self.path.open("a") as file:
            file.write(json.dumps(line | {name: str(value) for name, value in key.items()}) + "\n")
        return self


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "tools.jsonl")


def test_tools_that_ran_as_often_as_they_may(check: Check, called: Sent, runs: Runs) -> None:
    runs.ran("pay", token="once").ran("look", token="often", idempotent=True).ran(
        "look", token="often", idempotent=True
    )
    report = check("--tools", runs.path)
    assert (report.code, report.violated) == (0, set()), report.stdout
    assert report.about("G7")[0].endswith("held            2 tool calls, 3 runs of tools")


def test_a_tool_that_may_not_be_repeated_and_was(check: Check, called: Sent, runs: Runs) -> None:
    runs.ran("pay", token="once").ran("pay", token="once")
    found = check("--tools", runs.path)
    assert found.says("G7", f"{called.reply.id}: its call once of pay may not be repeated and ran 2 times")


def test_runs_are_told_apart_by_the_calls_id_too_and_in_several_files(
    check: Check, called: Sent, runs: Runs, tmp_path: Path
) -> None:
    id_ = calls_of(called)["pay"].id
    other = Runs(tmp_path / "others.jsonl").ran("pay", call=id_)
    assert check("--tools", other.path).violated == set()
    runs.ran("pay", call=id_)
    assert check("--tools", runs.path, "--tools", other.path).says("G7", f"its call {id_} of pay may not be repeated")


def test_a_tool_that_ran_before_its_beginning_was_stored(check: Check, called: Sent, runs: Runs) -> None:
    set_call(called, "pay", attempt=0, started_at=None)
    runs.ran("pay", token="once")
    assert check("--tools", runs.path).says("G7", "its call once of pay ran although it was never begun")


def test_a_tool_that_is_taken_for_one_that_may_be_repeated(check: Check, called: Sent, runs: Runs) -> None:
    set_call(called, "pay", idempotent=True)
    runs.ran("pay", token="once")
    assert check("--tools", runs.path).says("G7", "is stored as one that may be repeated, and may not")


def test_a_tool_that_ran_after_the_cancel(check: Check, called: Sent, runs: Runs) -> None:
    with_job(cancel_requested_at=now(-20), status=Status.CANCELLED)(called)
    set_call(called, "look", started_at=now(-20))
    runs.ran("pay", token="once")
    assert check("--tools", runs.path).says("G8", "its call once of pay ran 2")


def test_runs_of_no_stored_call_are_mentioned(check: Check, called: Sent, runs: Runs) -> None:
    runs.ran("pay", token="elsewhere")
    report = check("--tools", runs.path)
    assert report.violated == set()
    assert "elsewhere ran, but belongs to no stored call" in report.about("G7")[0]


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        '{"name": "pay", "idempotent": false, "at": 1}',
        '{"name": "pay", "idempotent": false, "at": "soon", "token": "x"}',
        '{"idempotent": false, "at": 1, "token": "x"}',
    ],
)
def test_a_file_that_is_no_tool_servers(check: Check, runs: Runs, line: str) -> None:
    runs.path.write_text(f"{line}\n")
    report = check("--tools", runs.path)
    assert (report.code, report.stderr) == (2, "tools.jsonl:1 is no line of a tool server's log.\n")


def test_many_calls_are_read_page_by_page(check: Check, called: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.check.tool_calls._PAGE", 1)
    set_call(called, "pay", completed_at=None)
    set_call(called, "look", completed_at=None)
    said = "".join(check().about("G7"))
    assert "of pay is failed without" in said
    assert "of look is completed without" in said
