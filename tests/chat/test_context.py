from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import insert, update

from app.chat import context, sending
from app.chat.context import Work
from app.chat.sending import Draft
from app.database import reading, transaction
from app.extensions import settings
from app.ids import new_id
from app.llm.errors import ModelUnavailable
from app.llm.tokens import estimate
from app.models import Message, Thread
from tests.support import rows

AT = datetime(2026, 3, 29, 23, 30, tzinfo=UTC)


def thread_with(user_id: UUID, *contents: str, **values: Any) -> UUID:
    """A thread whose active path is these messages, of user and assistant in turn."""
    thread_id, parent = rows.a_thread(user_id, **values), None
    with transaction() as session:
        for number, content in enumerate(contents):
            id_, role = new_id(), ("user", "assistant")[number % 2]
            common = {"thread_id": thread_id, "user_id": user_id, "parent_id": parent}
            session.execute(insert(Message).values(id=id_, role=role, content=content, **common))
            parent = id_
        session.execute(update(Thread).where(Thread.id == thread_id).values(active_message_id=parent))
    return thread_id


def gathered(user_id: UUID, content: str = "now", thread_id: UUID | None = None, **parameters: Any) -> Work:
    sent = sending.send_message(user_id, Draft(content, thread_id, parameters=parameters))
    assert sent.reply.job_id is not None
    with reading() as session:
        return context.gather(session, settings(), sent.reply.job_id, AT)


def asked(work: Work) -> list[tuple[str, str]]:
    return [(turn.role, turn.content) for turn in work.request.turns]


def test_a_model_is_asked_the_path_that_leads_to_the_reply(user_id: UUID) -> None:
    thread_id = thread_with(user_id, "first", "answer")
    rows.a_job(thread_id)  # a reply of another branch
    work = gathered(user_id, "second", thread_id)
    assert asked(work) == [("user", "first"), ("assistant", "answer"), ("user", "second")]
    assert (work.request.model, work.model_id) == ("echo", "scripted/echo")


def test_replies_that_ended_without_a_word_are_left_out(user_id: UUID) -> None:
    thread_id = thread_with(user_id, "first", "", "second", "partial")
    assert asked(gathered(user_id, "third", thread_id)) == [
        ("user", "first"),
        ("user", "second"),
        ("assistant", "partial"),
        ("user", "third"),
    ]


def test_the_newest_turns_are_kept_within_the_budget(user_id: UUID) -> None:
    turns = [f"{number} " + "word " * 40 for number in range(20)]
    thread_id = thread_with(user_id, *turns)
    whole = gathered(user_id, "now", thread_id, context_tokens=100_000)
    assert len(whole.request.turns) == 21
    budget = 600
    work = gathered(user_id, "now", thread_with(user_id, *turns), context_tokens=budget)
    kept = [content for _, content in asked(work)]
    assert kept == [*turns, "now"][-len(kept) :]
    spent = estimate(work.request.system) + sum(estimate(content) + 4 for content in kept)
    assert spent <= budget < spent + estimate(turns[0]) + 4


def test_a_message_larger_than_the_budget_is_asked_all_the_same(user_id: UUID) -> None:
    work = gathered(user_id, "long " * 5_000, thread_with(user_id, "old", "older"), context_tokens=256)
    assert asked(work) == [("user", "long " * 5_000)]


def test_room_is_left_for_the_reply(app: Flask) -> None:
    user_id = rows.a_user()
    turns = ["word " * 9_000 for _ in range(8)]
    roomy = gathered(user_id, "now", thread_with(user_id, *turns), context_tokens=10**9, max_output_tokens=1_000)
    tight = gathered(user_id, "now", thread_with(user_id, *turns), context_tokens=10**9, max_output_tokens=100_000)
    assert len(roomy.request.turns) > len(tight.request.turns)


def test_instructions_are_joined_from_the_general_to_the_particular_after_the_facts(app: Flask) -> None:
    user_id = rows.a_user(name="Ada", preferences={"instructions": "Of the user."})
    thread_id = thread_with(user_id, settings={"instructions": "Of the thread."})
    work = gathered(user_id, "now", thread_id, instructions="Of the message.")
    facts, *rest = work.request.system.split("\n\n")
    assert rest == ["Of the user.", "Of the thread.", "Of the message."]
    assert facts == "It is Sunday, 29 March 2026, 23:30 (UTC). The user's name is Ada."


def test_the_time_is_that_of_the_configured_zone_and_nobody_is_named_without_a_name(app: Flask) -> None:
    user_id = rows.a_user(name=None)
    sent = sending.send_message(user_id, Draft("now"))
    assert sent.reply.job_id is not None
    berlin = settings().model_copy(update={"timezone": "Europe/Berlin"})
    with reading() as session:
        work = context.gather(session, berlin, sent.reply.job_id, AT)
    assert work.request.system == "It is Monday, 30 March 2026, 01:30 (Europe/Berlin)."


@pytest.mark.parametrize(
    ("message", "thread", "user", "temperature"),
    [(0.0, 0.5, 1.0, 0.0), (None, 0.5, 1.0, 0.5), (None, None, 1.0, 1.0), (None, None, None, None)],
)
def test_a_parameter_is_the_messages_the_threads_or_the_users(
    app: Flask, message: float | None, thread: float | None, user: float | None, temperature: float | None
) -> None:
    user_id = rows.a_user(preferences={"temperature": user})
    thread_id = thread_with(user_id, settings={"temperature": thread})
    assert gathered(user_id, "now", thread_id, temperature=message).request.temperature == temperature


def test_the_length_of_a_reply_is_the_wanted_one_within_what_the_model_can(user_id: UUID) -> None:
    assert gathered(user_id).request.max_output_tokens == settings().max_output_tokens
    assert gathered(user_id, max_output_tokens=7).request.max_output_tokens == 7
    assert gathered(user_id, max_output_tokens=10**9).request.max_output_tokens == 128_000


def test_a_model_that_has_gone_since_is_unavailable(user_id: UUID) -> None:
    sent = sending.send_message(user_id, Draft("now"))
    assert sent.reply.job_id is not None
    without = settings().model_copy(update={"scripted": False})
    with reading() as session, pytest.raises(ModelUnavailable):
        context.gather(session, without, sent.reply.job_id, AT)
