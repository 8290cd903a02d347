"""Replies that wait, ask, go on, are steered, continued or taken back: what rows, logs and clients tell of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from app.chat import answering, branching, finishing, pausing
from app.chat.objects import Sent
from app.chat.outcome import Outcome
from app.clock import now
from app.database import transaction
from app.extensions import redis
from app.ids import new_id
from app.models import Message, Status, Step
from app.stream import events
from app.stream.events import Event
from app.stream.log import Keys
from tests.chat.branches import begun, ending, post
from tests.check.agent import Agent, Harm, call, events_of, job_of, with_job, with_reply
from tests.check.conftest import Check
from tests.check.story import Transcript
from tests.support import rows


@pytest.fixture
def asked(agent: Agent) -> Sent:
    """A reply that has asked a question."""
    sent = agent.post("Well.\n" + call("ask_user", question="Tea?"), "So\n!results")
    agent.work(sent)
    assert rows.job(job_of(sent)).status is Status.REQUIRES_ACTION
    return sent


@pytest.fixture
def waited(agent: Agent) -> Sent:
    """A reply that has waited after its first step and is completed."""
    sent = agent.post("First\n" + call("wait", seconds=60), "then tea")
    agent.work(sent)
    agent.let_wait_end(sent)
    agent.work(sent)
    assert rows.reply_of(job_of(sent)).content == "First\n\nthen tea"
    return sent


def action_of(sent: Sent) -> UUID:
    shown = rows.reply_of(job_of(sent)).required_action
    assert shown is not None
    return UUID(shown["id"])


def test_what_asks_and_is_answered_is_as_it_should_be(check: Check, agent: Agent, asked: Sent) -> None:
    assert check().violated == set()
    answering.answer(agent.user_id, asked.reply.id, action_of(asked), content="tea")
    assert check().violated == set()
    agent.work(asked)
    assert rows.reply_of(job_of(asked)).content == "Well.\n\nSo\ntea"
    report = check("--faults-ended", time.time() - 200)
    assert (report.code, report.violated) == (0, set()), report.stdout


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (with_reply(required_action=None), "is requires_action but names no action"),
        (with_job(action_id=new_id()), "is requires_action but names another action than its job"),
        (with_job(action_expires_at=None), "is requires_action but its job never stops asking"),
        (with_job(status=Status.PENDING), "is pending but still asks for something"),
        (with_job(status=Status.PENDING), "is pending but its job names an action"),
        (with_job(status=Status.PENDING), "is pending but its job has something to expire"),
        (with_job(wake_at=now(60)), "is requires_action but has a wake_at"),
    ],
)
def test_what_asks_and_contradicts_itself(check: Check, asked: Sent, harm: Harm, said: str) -> None:
    harm(asked)
    assert check().says("G1", said), check().stdout


def test_a_question_that_is_asked_for_ever(check: Check, asked: Sent) -> None:
    rows.set_job(job_of(asked), action_expires_at=now(-50))
    assert check().violated == set()
    rows.set_job(job_of(asked), action_expires_at=now(-70))
    assert check().says("G1", "asks for something that nobody gave in time, and has not ended: 10 s too late")
    assert check("--faults-ended", time.time()).violated == set()


def test_what_goes_on_after_a_pause_may_have_been_ready_for_a_moment_only(check: Check, agent: Agent) -> None:
    later = agent.post("later", after_seconds=300)
    assert check("--faults-ended", time.time() - 200).violated == set()
    long_ago(later)
    waiting = agent.post("First\n" + call("wait", seconds=60), "then tea")
    agent.work(waiting)
    for sent in (later, waiting):
        pausing.wake(agent.user_id, sent.reply.id)
        rows.set_job(job_of(sent), next_publish_at=now(10))
    long_ago(waiting)
    assert check("--faults-ended", time.time() - 200).violated == set()
    rows.set_job(job_of(later), publishes=5)
    found = check("--faults-ended", time.time() - 200)
    assert found.says("G1", f"{later.reply.id}: is ready and workers have room, but none claims it")


def long_ago(sent: Sent) -> None:
    with transaction() as session:
        both = update(Message).where(Message.thread_id == sent.thread.id)
        session.execute(both.values(created_at=now(-100), updated_at=now(-100)))


def test_steps_that_are_not_one_after_another(check: Check, waited: Sent) -> None:
    assert check().violated == set()
    job_id = job_of(waited)
    with transaction() as session:
        session.execute(insert(Step).values(job_id=job_id, number=4, attempt=1, kind="model", completed_at=now(-60)))
    report = check()
    assert report.says("G3", "its steps are [1, 2, 4]")
    assert report.says("G3", "its steps were written by attempts [1, 2, 1]")


def test_a_text_that_lost_what_was_committed(check: Check, agent: Agent, asked: Sent, waited: Sent) -> None:
    with_reply(content="then tea")(waited)
    with_job(checkpoint="")(asked)
    redis().flushdb()
    report = check()
    for sent in (asked, waited):
        assert report.says("G3", f"{sent.reply.id}: its text does not begin with that of its committed steps")


def rewrite(sent: Sent, change: Callable[[Event], Event]) -> None:
    """Change the log's events of the reply."""
    entries = [change(event) for event in events_of(sent)]
    redis().delete(Keys(str(sent.thread.id)).log)
    for event in entries:
        redis().xadd(Keys(str(sent.thread.id)).log, {"e": event.json()}, id=event.cursor)


def beginning_with(text: str) -> Callable[[Event], Event]:
    """The same event, but every reset to this text."""
    fields = {"offset": len(text), "text": text}
    return lambda event: replace(event, fields=fields, encoded="") if event.type == events.RESET else event


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "attempt 2 began with 0 of the 5 code points that were committed before it"),
        ("Firstly", "attempt 2 began with 7 code points that are of no committed step"),
    ],
)
def test_an_attempt_that_begins_with_other_text_than_what_is_committed(
    check: Check, waited: Sent, text: str, said: str
) -> None:
    assert check().violated == set()
    rewrite(waited, beginning_with(text))
    assert check().says("G4", said)


def test_clients_of_what_pauses_saw_nothing_wrong(check: Check, agent: Agent, waited: Sent, tmp_path: Path) -> None:
    for sent in (waited, answered(agent)):
        one = Transcript(tmp_path / "clients", agent.user_id, id_=sent.thread.id).saw(*events_of(sent))
        one.ends(**{str(sent.reply.id): rows.reply_of(job_of(sent)).content})
        types = {event.type for event in events_of(sent)}
        assert {events.TOOL_STARTED, events.RESET} < types
        assert types & {events.WAITING, events.REQUIRES_ACTION}
    report = check("--transcripts", tmp_path / "clients")
    assert (report.code, report.violated) == (0, set()), report.stdout


def answered(agent: Agent) -> Sent:
    sent = agent.post("Well.\n" + call("ask_user", question="Tea?"), "So\n!results")
    agent.work(sent)
    answering.answer(agent.user_id, sent.reply.id, action_of(sent), content="tea")
    agent.work(sent)
    return sent


@pytest.mark.parametrize("type_", [events.TOOL_STARTED, events.TOOL_FAILED, events.REQUIRES_ACTION])
def test_an_event_without_what_it_is_about(check: Check, agent: Agent, tmp_path: Path, type_: str) -> None:
    bad = Event(type_, "t", "m", 1, {"invocation": None, "required_action": 1})
    one = Transcript(tmp_path / "clients", agent.user_id, id_="t").saw(bad)
    report = check("--transcripts", one.path.parent)
    assert (report.code, report.stderr) == (2, "sse-0.jsonl:2 is no line of a transcript.\n")


def test_a_reply_that_continues_another_begins_with_its_text(check: Check, agent: Agent) -> None:
    cut = agent.post("!finish length\nHalf a")
    agent.work(cut)
    rest = branching.proceed(agent.user_id, cut.reply.id)
    agent.work(rest)
    assert rows.reply_of(job_of(rest)).content.startswith("Half a")
    assert rows.reply_of(job_of(rest)).content != "Half a"
    assert check().violated == set()
    rewrite(rest, beginning_with("Another"))
    assert check().says("G4", "attempt 1 began with 7 code points that are of no committed step")


def test_branches_of_every_kind_are_as_they_should_be(check: Check, agent: Agent) -> None:
    first = post(agent.user_id)
    assert finishing.finish(begun(first), ending())
    assert finishing.finish(begun(branching.regenerate(agent.user_id, first.reply.id, {})), ending())
    assert finishing.finish(begun(branching.edit(agent.user_id, first.message.id, "hi")), ending())
    running = post(agent.user_id, first.thread.id)
    claim = begun(running)
    instead = post(agent.user_id, first.thread.id, busy="rollback")
    assert finishing.finish(claim, Outcome(Status.CANCELLED, "", "cancelled"))
    claim = begun(instead)
    after = post(agent.user_id, first.thread.id, busy="interrupt")
    assert finishing.finish(claim, Outcome(Status.CANCELLED, "", "cancelled"))
    assert finishing.finish(begun(after), ending())
    report = check("--faults-ended", time.time() - 200)
    assert (report.code, report.violated) == (0, set()), report.stdout
