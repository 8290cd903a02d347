"""Threads that came through /v1: rows of any role, calls that are not ours, hidden and removed responses."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import insert

from app.chat import conversing, responding
from app.chat.items import Given
from app.chat.objects import Sent
from app.clock import now
from app.database import transaction
from app.extensions import settings
from app.models import Message, Status
from tests.chat.asking import assistant, job_of, offered, output, respond, set_message, user, written
from tests.chat.branches import begun
from tests.check.agent import Agent, Harm, call, calls_of, script, with_call, with_job
from tests.check.conftest import Check
from tests.check.story import Story, Transcript
from tests.check.test_provider_calls import CallLog, a_conversation
from tests.support import rows


@pytest.fixture
def asked(agent: Agent) -> Sent:
    """A reply that has ended with a call of the caller's, after a history that was given with it."""
    history = (Given("system", "Be brief."), user("Hi"), assistant(c1="weather"), output("c1", "sun"))
    sent = respond(agent.user_id, *history, script("Well.\n" + call("weather", place="Bonn"), "!results"), **offered())
    written(agent.workshop, sent)
    [made] = calls_of(sent).values()
    assert made.status == "requires_action"
    return sent


def answered(agent: Agent, asked: Sent) -> Sent:
    """The reply after the caller's answer."""
    [made] = calls_of(asked).values()
    answer = respond(agent.user_id, output(made.call_id, "rain"), previous_id=asked.reply.id, **offered())
    written(agent.workshop, answer)
    return answer


def test_of_such_threads_everything_is_held(check: Check, agent: Agent, asked: Sent) -> None:
    answered(agent, asked)
    respond(agent.user_id, "Left", previous_id=asked.reply.id, hidden=True)
    removed = respond(agent.user_id, "Removed", parameters={"stored": False})
    written(agent.workshop, removed)
    made = conversing.create(agent.user_id, [user("Hi"), assistant("Hello.")], metadata={})
    responding.remove(agent.user_id, respond(agent.user_id, "One", thread_id=made.id).reply.id)
    report = check()
    assert (report.code, report.violated) == (0, set()), report.stdout
    assert "1 tool calls" in report.about("G7")[0]


def test_a_worker_that_died_before_the_end_leaves_nothing_wrong(check: Check, agent: Agent, asked: Sent) -> None:
    rows.set_job(job_of(asked), status=Status.PENDING, finished_at=None, announced_at=None)
    assert check().outcome("G7") != "VIOLATED"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (with_call("weather", attempt=1, started_at=now()), "of weather is not ours to make, and was begun"),
        (with_call("weather", status="pending"), "of weather is pending although the reply has ended"),
        (with_job(status=Status.FAILED), "of weather is requires_action although the reply has ended"),
    ],
)
def test_calls_that_are_not_ours_and_were_not_left_alone(check: Check, asked: Sent, harm: Harm, said: str) -> None:
    assert check().violated == set()
    harm(asked)
    assert check().says("G7", said), check().stdout


def test_a_call_of_ours_is_not_left_to_anybody(check: Check, asked: Sent) -> None:
    set_message(asked.reply.id, parameters={})
    assert check().says("G7", "of weather is requires_action although the reply has ended")


@pytest.mark.parametrize("role", ["user", "tool", "system"])
def test_a_job_of_what_is_no_reply(check: Check, asked: Sent, role: str) -> None:
    set_message(asked.reply.id, role=role)
    assert check().says("G1", f"is a {role}'s message with a job")


def test_an_empty_reply_that_calls_nothing_has_lost_its_job(check: Check, agent: Agent) -> None:
    thread_id = rows.a_thread(agent.user_id)
    with transaction() as session:
        made = {"thread_id": thread_id, "user_id": agent.user_id, "role": "assistant", "content": ""}
        session.execute(insert(Message).values(**made))
    assert check().says("G1", "is an empty reply without a job")


def test_a_reply_that_began_before_the_one_above_its_items_had_ended(check: Check, agent: Agent) -> None:
    first = respond(agent.user_id, "One")
    begun(first)
    second = respond(agent.user_id, Given("system", "Now."), "Two", previous_id=first.reply.id)
    assert check().violated == set()
    rows.set_job(job_of(second), after_id=None)
    begun(second)
    assert check().says("G9", "began although the reply before it still runs")


def test_calls_to_a_provider_after_an_answer_belong_to_the_reply_below_it(
    check: Check, agent: Agent, asked: Sent, tmp_path: Path
) -> None:
    second = answered(agent, asked)
    for sent in (asked, second):
        set_message(sent.reply.id, model_id="openai/fake-t20")
    calls = CallLog(tmp_path / "calls.jsonl")
    question = asked.message.content
    allowed = settings().provider_retries + 1
    for _ in range(allowed):
        calls.call("fake-t20", question, -50, -45)
        calls.conversation("fake-t20", a_conversation(("user", question), ("tool", "rain")), -44, -43)
    report = check("--provider", calls.path)
    assert report.violated == set(), report.stdout
    assert "belong to no stored reply" not in report.about("G3")[0]
    calls.call("fake-t20", question, -50, -45)
    assert check("--provider", calls.path).outcome("G3") == "VIOLATED"


def test_a_history_that_is_given_again_is_not_posted_again(check: Check, story: Story, tmp_path: Path) -> None:
    poster = Transcript(tmp_path / "transcripts", story.user_id, via="post", id_="")
    for acting in (story.first, story.second, story.third):
        ids: dict[str, UUID] = {"message_id": acting.sent.message.id, "reply_id": acting.reply_id}
        known = {name: str(id_) for name, id_ in ids.items()}
        poster.write(posted={"status": 202, "content": "hello", "thread_id": str(acting.thread_id), **known})
    for _ in range(3):
        respond(story.user_id, "hello", assistant("So?"), "hello")
    report = check("--transcripts", poster.path.parent)
    assert report.outcome("G1") == "held", report.stdout
