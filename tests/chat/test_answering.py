from __future__ import annotations

import json
from functools import partial
from uuid import UUID

import pytest
from flask import Flask

from app.chat import answering, cancelling, finishing, reading
from app.chat.answering import Decision
from app.chat.errors import ActionResolved, Gone, InvalidField, NotFound
from app.chat.objects import MessageObject
from app.clock import now
from app.extensions import redis
from app.ids import new_id
from app.jobs.reaper import Reaper
from app.models import Status
from app.stream import events, log
from tests.chat.asked import Asked, ask, call
from tests.chat.branches import begun, claim, ending, job_of, post
from tests.support import rows
from tests.support.at_once import at_once
from tests.support.broker import wake_ups


@pytest.fixture
def asked(user_id: UUID) -> Asked:
    """A question."""
    return ask(post(user_id))


@pytest.fixture
def approval(user_id: UUID) -> Asked:
    """Two calls that need a yes."""
    return ask(post(user_id), "approval", calls=2)


def test_a_question_is_answered_with_text_and_the_reply_goes_on(user_id: UUID, asked: Asked) -> None:
    redis().delete("replies")
    answered = answering.answer(user_id, asked.reply_id, asked.action_id, "the blue one")
    assert (answered.status, answered.required_action) == (Status.PENDING, None)
    told = call(asked.calls[0])
    assert (told.status, told.result, told.error) == ("completed", "the blue one", None)
    assert told.completed_at is not None
    assert wake_ups(redis()) == [asked.sent.reply.job_id]
    assert log.read_tail(redis(), str(asked.sent.thread.id))[-1].type == events.THREAD_UPDATED
    assert claim(asked.sent.reply.job_id) is not None


def test_each_call_is_approved_with_its_own_or_other_arguments_or_refused(user_id: UUID) -> None:
    asked = ask(post(user_id), "approval", calls=4)
    first, second, third, fourth = asked.calls
    decisions = [
        Decision(fourth, approve=False),
        Decision(second, approve=True, arguments={"a": "ü"}),
        Decision(first, approve=True),
        Decision(third, approve=False, reason="Too dear."),
    ]
    answered = answering.answer(user_id, asked.reply_id, asked.action_id, decisions=decisions)
    assert answered.required_action is None
    decided = [call(id_) for id_ in asked.calls]
    assert [one.status for one in decided] == ["pending", "pending", "failed", "failed"]
    assert [one.approved for one in decided] == [True, True, False, False]
    assert [one.edited and json.loads(one.edited) for one in decided] == [None, {"a": "ü"}, None, None]
    refused = "The user refused this call."
    assert [one.error for one in decided] == [None, None, f"{refused} Too dear.", refused]
    assert [one.completed_at is not None for one in decided] == [False, False, True, True]
    assert {one.arguments for one in decided} == {'{"a": 1}'}


def test_every_call_is_decided_exactly_once(user_id: UUID, approval: Asked) -> None:
    first, second = (Decision(id_, approve=True) for id_ in approval.calls)
    stranger = Decision(new_id(), approve=True)
    for decisions in (
        [],
        [first],
        [first, first],
        [first, second, first],
        [first, stranger],
        [first, second, stranger],
    ):
        with pytest.raises(InvalidField) as refused:
            answering.answer(user_id, approval.reply_id, approval.action_id, decisions=decisions)
        assert refused.value.field == "decisions"
    assert reading.get(user_id, approval.reply_id).status is Status.REQUIRES_ACTION
    assert {call(id_).status for id_ in approval.calls} == {"requires_action"}


def test_an_answer_of_the_wrong_kind_names_what_is_missing(user_id: UUID, asked: Asked, approval: Asked) -> None:
    decisions = [Decision(id_, approve=True) for id_ in approval.calls]
    wrong = [
        (asked, None, decisions, "content"),
        (asked, None, None, "content"),
        (asked, "x", [], "decisions"),
        (approval, "x", None, "content"),
        (approval, "x", decisions, "content"),
        (approval, None, None, "decisions"),
    ]
    for to, content, decided, field in wrong:
        with pytest.raises(InvalidField) as refused:
            answering.answer(user_id, to.reply_id, to.action_id, content, decided)
        assert refused.value.field == field
        assert reading.get(user_id, to.reply_id).required_action is not None


def test_the_second_answer_and_one_to_something_else_come_too_late(user_id: UUID, asked: Asked) -> None:
    with pytest.raises(ActionResolved):
        answering.answer(user_id, asked.reply_id, new_id(), "x")
    answering.answer(user_id, asked.reply_id, asked.action_id, "first")
    with pytest.raises(ActionResolved):
        answering.answer(user_id, asked.reply_id, asked.action_id, "second")
    assert call(asked.calls[0]).result == "first"


def test_what_asks_nothing_is_not_answered(user_id: UUID) -> None:
    sent, ended = post(user_id), post(user_id)
    assert finishing.finish(begun(ended), ending())
    for message_id in (sent.message.id, sent.reply.id, ended.reply.id):
        with pytest.raises(ActionResolved):
            answering.answer(user_id, message_id, new_id(), "x")


def test_a_cancelled_question_is_not_answered(user_id: UUID, asked: Asked) -> None:
    cancelling.cancel(user_id, asked.reply_id)
    with pytest.raises(ActionResolved):
        answering.answer(user_id, asked.reply_id, asked.action_id, "x")
    assert reading.get(user_id, asked.reply_id).status is Status.CANCELLED


def test_after_its_time_an_answer_is_gone_before_and_after_the_reaper(
    user_id: UUID, asked: Asked, reaper: Reaper
) -> None:
    job_id = asked.sent.reply.job_id
    assert job_id is not None
    rows.set_job(job_id, action_expires_at=now(-1))
    with pytest.raises(Gone):
        answering.answer(user_id, asked.reply_id, asked.action_id, "late")
    assert call(asked.calls[0]).status == "requires_action"
    reaper.pass_once()
    assert reading.get(user_id, asked.reply_id).status is Status.FAILED
    with pytest.raises(Gone):
        answering.answer(user_id, asked.reply_id, asked.action_id, "later")


def test_nobody_else_answers(user_id: UUID) -> None:
    theirs = ask(post(rows.a_user()))
    for message_id in (theirs.reply_id, new_id()):
        with pytest.raises(NotFound):
            answering.answer(user_id, message_id, theirs.action_id, "x")
    assert job_of(theirs.sent).status is Status.REQUIRES_ACTION


@pytest.mark.parametrize("kind", ["input", "approval"])
def test_of_parallel_answers_one_wins(app: Flask, user_id: UUID, kind: str) -> None:
    asked = ask(post(user_id), kind)
    [call_id] = asked.calls
    redis().delete("replies")

    def answer(number: int) -> MessageObject:
        if kind == "input":
            return answering.answer(user_id, asked.reply_id, asked.action_id, str(number))
        decision = Decision(call_id, approve=True, arguments={"number": number})
        return answering.answer(user_id, asked.reply_id, asked.action_id, decisions=[decision])

    found = at_once(app, [partial(answer, number) for number in range(20)])
    [winner] = [number for number, one in enumerate(found) if isinstance(one, MessageObject)]
    assert {type(one) for number, one in enumerate(found) if number != winner} == {ActionResolved}
    kept = call(call_id)
    assert kept.result == str(winner) if kind == "input" else json.loads(str(kept.edited)) == {"number": winner}
    assert wake_ups(redis()) == [asked.sent.reply.job_id]


@pytest.mark.parametrize("round_", range(4))
def test_of_an_answer_and_a_cancel_in_the_same_moment_the_cancel_is_not_lost(
    app: Flask, user_id: UUID, round_: int
) -> None:
    asked = ask(post(user_id))
    cancel = partial(cancelling.cancel, user_id, asked.reply_id)
    answered, cancelled = at_once(
        app, [partial(answering.answer, user_id, asked.reply_id, asked.action_id, "x"), cancel]
    )
    assert isinstance(cancelled, MessageObject)
    assert isinstance(answered, MessageObject | ActionResolved)
    assert reading.get(user_id, asked.reply_id).status is Status.CANCELLED
