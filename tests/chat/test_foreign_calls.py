"""Calls of functions that are not ours: the reply ends with them, and the next one reads what its caller answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from app.chat import cancelling, replying, responding
from app.chat.attaching import attachment
from app.chat.objects import Sent
from app.chat.progress import Progress
from app.chat.workshop import Workshop
from app.database import transaction
from app.jobs.reaper import Reaper
from app.models import Message, Status
from tests.chat.asking import PDF, PNG, WEATHER, assistant, job_of, offered, output, respond, url, user, written
from tests.chat.conftest import MakeWorkshop
from tests.chat.test_replying import logged, status
from tests.chat.tooling import call, calls_of, script, steps_of
from tests.provider import FakeProvider
from tests.support import rows

NOW = {"name": "now", "description": "The time.", "parameters": {"type": "object"}}
ASKS = script("Let me see.\n" + call("weather", place="Bonn"), "It is\n!results")


def test_the_reply_ends_with_the_call_and_the_next_one_reads_its_answer(workshop: Workshop, user_id: UUID) -> None:
    first = respond(user_id, ASKS, **offered())
    reply = written(workshop, first)
    assert (status(job_of(first)), reply.content, reply.finish_reason) == (Status.COMPLETED, "Let me see.", "stop")
    [made] = calls_of(job_of(first))
    assert (made.status, made.attempt, made.result, made.error) == ("requires_action", 0, None, None)
    [shown] = logged(job_of(first))[-1].fields["message"]["tool_invocations"]
    assert (shown["name"], shown["arguments"], shown["status"]) == ("weather", {"place": "Bonn"}, "requires_action")
    [known] = responding.find(user_id, first.reply.id).calls
    assert (known.id, known.call_id, known.arguments) == (made.id, made.call_id, '{"place": "Bonn"}')
    [step] = steps_of(job_of(first))
    assert {"name": "weather", "offered": True, "reason": (step.offered or [])[-1]["reason"]} in (step.offered or [])

    second = respond(user_id, output(made.call_id, "sunny"), previous_id=first.reply.id, **offered())
    assert written(workshop, second).content == "It is\nsunny"
    assert [made.status for made in calls_of(job_of(first))] == ["requires_action"]


def test_two_calls_of_one_id_get_their_own_answers(workshop: Workshop, user_id: UUID) -> None:
    items = (assistant(call_1="weather"), output("call_1", "old"))
    first = respond(user_id, "Hi", *items, ASKS.replace("!step", ""), **offered())
    written(workshop, first)
    [made] = calls_of(job_of(first))
    second = respond(user_id, output(made.call_id, "new"), previous_id=first.reply.id, **offered())
    assert "new" in written(workshop, second).content


def test_our_own_calls_of_the_step_are_made_first(workshop: Workshop, user_id: UUID) -> None:
    asked = call("calculator", expression="6 * 7") + "\n" + call("weather", place="Bonn")
    first = respond(user_id, script(asked, "!results"), **offered(tools=["calculator"]))
    written(workshop, first)
    ours, theirs = calls_of(job_of(first))
    assert (ours.status, ours.result, theirs.status) == ("completed", "42", "requires_action")
    second = respond(user_id, output(theirs.call_id, "sunny"), previous_id=first.reply.id, **offered())
    assert written(workshop, second).content == "42\nsunny"


def test_a_function_goes_before_a_tool_of_ours_with_its_name(workshop: Workshop, user_id: UUID) -> None:
    function = WEATHER | {"name": "calculator"}
    sent = respond(user_id, call("calculator", expression="6 * 7"), **offered(function, tools=["calculator"]))
    written(workshop, sent)
    [made] = calls_of(job_of(sent))
    assert (made.status, made.result) == ("requires_action", None)


def test_a_question_of_our_own_comes_before_the_end(workshop: Workshop, user_id: UUID) -> None:
    asked = '!tool ask_user {"question": "Where?"}\n' + call("weather", place="Bonn")
    sent = respond(user_id, script(asked, "!results"), **offered(tools=["ask_user"]))
    written(workshop, sent)
    assert status(job_of(sent)) is Status.REQUIRES_ACTION
    assert [made.status for made in calls_of(job_of(sent))] == ["requires_action", "pending"]
    cancelling.cancel(user_id, sent.reply.id)
    assert [made.status for made in calls_of(job_of(sent))] == ["failed", "failed"]


def test_what_is_called_without_being_offered_is_told_to_the_model(workshop: Workshop, user_id: UUID) -> None:
    sent = respond(user_id, script(call("time"), "!results"), **offered())
    assert "There is no tool of this name; there are: weather" in written(workshop, sent).content


@pytest.mark.parametrize("moment", ["hand_out", "step"])
def test_a_worker_that_dies_there_changes_nothing(
    workshop: Workshop, user_id: UUID, reaper: Reaper, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Before the call is handed out, and after that before the reply has ended."""
    sent = respond(user_id, ASKS, **offered())
    real = getattr(Progress, moment)

    def dying(self: Progress, *given: Any) -> None:
        real(self, *given)
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(Progress, moment, dying)
        with pytest.raises(SystemExit):
            replying.process_message(workshop, job_of(sent))
    rows.set_job(job_of(sent), lease_id=None)
    reaper.pass_once()
    reply = written(workshop, sent)
    assert (status(job_of(sent)), reply.content) == (Status.COMPLETED, "Let me see.")
    [made] = calls_of(job_of(sent))
    assert (made.status, len(steps_of(job_of(sent)))) == ("requires_action", 1)


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as fake:
        yield fake


@pytest.fixture
def real_workshop(make_workshop: MakeWorkshop, provider: FakeProvider) -> Workshop:
    return make_workshop(
        openai_base_url=provider.openai_url,
        openai_api_key=SecretStr("sk-test"),
        anthropic_base_url=provider.anthropic_url,
        anthropic_api_key=SecretStr("sk-test"),
    )


def by(model_id: str, sent: Sent) -> Sent:
    """The same reply, to be written by another model than this process offers."""
    with transaction() as session:
        session.execute(update(Message).where(Message.id == sent.reply.id).values(model_id=model_id))
    return sent


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_real_dialects_take_the_calls_and_their_answers(
    real_workshop: Workshop, user_id: UUID, dialect: str, provider: FakeProvider
) -> None:
    first = by(f"{dialect}/fake-t3-tool", respond(user_id, "Time?", **offered(NOW, tool_choice="required")))
    reply = written(real_workshop, first)
    assert (reply.content, reply.error) == ("w1 w2 w3", None)
    [made] = calls_of(job_of(first))
    assert (made.call_id, made.status) == ("call_now_1", "requires_action")

    answer = output(made.call_id, "noon")
    second = by(f"{dialect}/fake-t2", respond(user_id, answer, previous_id=first.reply.id, **offered(NOW)))
    assert written(real_workshop, second).content == "w1 w2"
    third = by(f"{dialect}/fake-t4", respond(user_id, "Thanks.", previous_id=second.reply.id))
    assert written(real_workshop, third).content == "w1 w2 w3 w4"
    for model in ("fake-t2", "fake-t4"):
        request = provider.calls.lines("request", model)[-1]
        assert "noon" in " ".join(said["content"] for said in request["messages"])


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_real_dialects_are_shown_what_was_attached(
    real_workshop: Workshop, user_id: UUID, dialect: str, provider: FakeProvider
) -> None:
    attached = (attachment("f", "image", url(PNG)), attachment("f", "file", url(PDF), "paper.pdf"))
    sent = by(f"{dialect}/fake-t5", respond(user_id, user("See.", *attached)))
    assert written(real_workshop, sent).content == "w1 w2 w3 w4 w5"
    request = provider.calls.lines("request", "fake-t5")[-1]
    assert len(request["attached"]) == 2
    assert "paper.pdf" in str(request["attached"])


def test_the_script_says_what_was_attached(workshop: Workshop, user_id: UUID) -> None:
    sent = respond(user_id, user("!attached", attachment("f", "image", url(PNG))))
    assert written(workshop, sent).content == f"image/png {len(PNG)}"
