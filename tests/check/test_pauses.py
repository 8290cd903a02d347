"""Replies that wait, ask, go on, are steered, continued or taken back: what rows, logs and clients tell of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from app.chat import answering, branching, cancelling, finishing, pausing, sending, steering, withdrawing
from app.chat.objects import Sent
from app.chat.outcome import Outcome
from app.chat.sending import Draft
from app.clock import now
from app.database import reading, transaction
from app.extensions import redis
from app.ids import new_id
from app.jobs.reaper import Abandoned
from app.models import Message, Status, Step
from app.stream import events, log
from app.stream.events import Event
from app.stream.log import Keys
from tests.chat.branches import begun, ending, post
from tests.check.agent import Agent, Harm, call, job_of, with_job, with_reply
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


def events_of(sent: Sent) -> list[Event]:
    return log.read_tail(redis(), str(sent.thread.id))


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


@pytest.fixture
def steered(agent: Agent) -> tuple[Sent, Sent, Sent]:
    """A running reply and two messages that steer it, of which the first was read."""
    running = post(agent.user_id)
    begun(running)
    first = post(agent.user_id, running.thread.id, content="no", busy="steer")
    with transaction() as session:
        assert steering.take_steers(session, job_of(running), running.reply.id) == ["no"]
    return running, first, post(agent.user_id, running.thread.id, content="yes", busy="steer")


def test_messages_that_steer_are_as_they_should_be_read_unread_and_too_late(
    check: Check, agent: Agent, steered: tuple[Sent, Sent, Sent]
) -> None:
    running, first, second = steered
    queued = post(agent.user_id, running.thread.id)
    assert rows.reply_of(job_of(running)).parent_id == first.message.id
    assert check().violated == set()
    end(running)
    assert check().violated == set()
    assert finishing.finish(begun(queued), ending())
    [late] = replies_to(second.message.id)
    assert late.job_id is not None
    assert check().violated == set()


def end(sent: Sent) -> None:
    job = rows.job(job_of(sent))
    cancelling.cancel_job(job.id)
    rows.set_job(job.id, lease_id=None)
    finishing.end_abandoned(Abandoned(job.id, job.attempt, "cancelled", orphaned=True))


def replies_to(message_id: UUID) -> list[Message]:
    with reading() as session:
        return list(session.scalars(select(Message).where(Message.parent_id == message_id)))


def change(message_id: UUID, **values: Any) -> None:
    with transaction() as session:
        session.execute(update(Message).where(Message.id == message_id).values(**values))


def test_a_message_that_steers_nobody(check: Check, agent: Agent, steered: tuple[Sent, Sent, Sent]) -> None:
    running, first, second = steered
    change(second.message.id, parent_id=first.message.id)
    assert check().says("G1", f"{second.message.id}: steers a reply that it does not follow")
    end(running)
    change(second.message.id, parent_id=running.reply.id, steers_job_id=job_of(running))
    assert check().says("G1", f"{second.message.id}: steers a reply that has ended, and got none of its own")


def test_a_reply_that_began_before_the_one_above_its_users_messages_had_ended(
    check: Check, agent: Agent, steered: tuple[Sent, Sent, Sent]
) -> None:
    running, _, _ = steered
    before = post(agent.user_id)
    begun(before)
    change(running.message.id, thread_id=before.thread.id, parent_id=before.reply.id)
    assert check().says("G9", f"{running.reply.id}: began although the reply before it still runs")


class Posting:
    """A client that posts, and writes down what it did."""

    def __init__(self, folder: Path, check: Check, user_id: UUID) -> None:
        self._check, self._user_id, self._folder = check, user_id, folder
        self._transcript = Transcript(folder, user_id, via="post", id_="")

    def post(self, content: str, thread_id: UUID | None = None, **more: Any) -> Sent:
        sent = sending.send_message(self._user_id, Draft(content, thread_id, **more))
        ids = {"thread_id": sent.thread.id, "message_id": sent.message.id, "reply_id": sent.reply.id}
        line = {"status": 202, "idempotency_key": content, "content": content}
        self._transcript.write(posted=line | {name: str(id_) for name, id_ in ids.items()})
        return sent

    def withdraw(self, message_id: UUID) -> None:
        self._transcript.write(withdrawn={"message_id": str(message_id), "status": 204})

    def check(self) -> Any:
        return self._check("--transcripts", self._folder)


@pytest.fixture
def posting(tmp_path: Path, check: Check, agent: Agent) -> Posting:
    return Posting(tmp_path / "clients", check, agent.user_id)


def test_posts_that_steered_stand_where_they_may(posting: Posting, agent: Agent) -> None:
    running = posting.post("hello")
    begun(running)
    queued = posting.post("next", running.thread.id)
    first = posting.post("no", running.thread.id, busy="steer")
    second = posting.post("wait", running.thread.id, busy="steer")
    assert posting.check().violated == set()
    with transaction() as session:
        steering.take_steers(session, job_of(running), running.reply.id)
    late = posting.post("too late", running.thread.id, busy="steer")
    assert posting.check().violated == set()
    end(running)
    assert len(replies_to(late.message.id)) == 1
    report = posting.check()
    assert (report.code, report.violated) == (0, set()), report.stdout
    change(late.message.id, parent_id=queued.reply.id)
    change(replies_to(late.message.id)[0].id, parent_id=second.message.id)
    assert posting.check().says("G1", f"was to be steered by {late.message.id}, which nobody has read or will answer")
    change(first.message.id, parent_id=None)
    assert posting.check().says("G1", f"{running.reply.id}: was accepted, but follows {second.message.id} instead of")


def test_posts_that_rolled_back_what_was_before_them_follow_what_stands_above(posting: Posting, agent: Agent) -> None:
    first = posting.post("hello")
    assert finishing.finish(begun(first), ending())
    dropped = posting.post("no", first.thread.id)
    kept = posting.post("yes", first.thread.id, busy="rollback")
    assert rows.reply_of(job_of(dropped)).finish_reason == "cancelled"
    assert posting.check().violated == set()
    rows.set_job(job_of(dropped), cancel_requested_at=None)
    assert posting.check().says("G9", f"{kept.message.id}: does not follow {dropped.reply.id}")


def test_posts_that_were_taken_back_are_gone(posting: Posting, agent: Agent) -> None:
    first = posting.post("hello")
    begun(first)
    middle, last = posting.post("oh", first.thread.id), posting.post("ah", first.thread.id)
    withdrawing.withdraw(agent.user_id, middle.message.id)
    redis().flushdb()
    assert posting.check().says("G1", f"{middle.reply.id}: was accepted, but is not stored")
    posting.withdraw(middle.message.id)
    report = posting.check()
    assert (report.code, report.violated) == (0, set()), report.stdout
    posting.withdraw(last.reply.id)
    assert posting.check().says("G1", f"{last.reply.id}: was taken back, but is stored")


def test_clients_that_were_told_of_what_was_taken_back(
    posting: Posting, check: Check, agent: Agent, tmp_path: Path
) -> None:
    first = posting.post("hello")
    begun(first)
    queued = posting.post("oh", first.thread.id)
    steers = posting.post("ah", first.thread.id, busy="steer")
    for gone in (queued, steers):
        withdrawing.withdraw(agent.user_id, gone.message.id)
    told = events_of(first)
    one = Transcript(tmp_path / "clients", agent.user_id, id_=first.thread.id).saw(*told)
    report = posting.check()
    assert (report.code, report.violated) == (0, set()), report.stdout
    redis().flushdb()
    assert posting.check().violated == set()
    kept = [line for line in one.path.read_text().splitlines(keepends=True) if "message.cancelled" not in line]
    one.path.write_text("".join(kept))
    assert posting.check().says("G1", f"{queued.reply.id}: was shown to a client, but is not stored")


def test_a_reply_that_had_begun_is_not_excused_by_its_cancel(posting: Posting, agent: Agent, tmp_path: Path) -> None:
    first = posting.post("hello")
    begun(first)
    end(first)
    Transcript(tmp_path / "clients", agent.user_id, id_=first.thread.id).saw(*events_of(first))
    assert posting.check().violated == set()
    with transaction() as session:
        session.execute(update(Message).where(Message.id == first.reply.id).values(id=new_id()))
    redis().flushdb()
    assert posting.check().says("G1", f"{first.reply.id}: was accepted, but is not stored")


def test_words_that_were_changed_since_are_their_posters(posting: Posting, agent: Agent) -> None:
    first = posting.post("hello")
    second = posting.post("wrold", first.thread.id)
    branching.edit(agent.user_id, second.message.id, "world")
    assert posting.check().violated == set()
    change(first.message.id, content="bye")
    assert posting.check().says("G1", f"{first.reply.id}: was accepted, but other words are stored")
