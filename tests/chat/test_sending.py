from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.chat import cancelling, idempotency, reading, sending
from app.chat.errors import InvalidField, NotFound
from app.chat.idempotency import Answer, Once
from app.chat.objects import Sent
from app.chat.sending import Draft
from app.database import reading as reads
from app.extensions import redis
from app.ids import new_id
from app.models import IdempotencyKey, Job, Message, Status, Thread
from app.stream import events, log
from tests.support import rows
from tests.support.at_once import at_once
from tests.support.broker import wake_ups

TABLES = (Thread, Message, Job, IdempotencyKey)


def counts() -> list[int]:
    with reads() as session:
        return [session.scalars(select(func.count()).select_from(table)).one() for table in TABLES]


def send(user_id: UUID, content: str = "hello", thread_id: UUID | None = None, **more: Any) -> Sent:
    return sending.send_message(user_id, Draft(content, thread_id, **more))


def job_of(sent: Sent) -> Job:
    assert sent.reply.job_id is not None
    return rows.job(sent.reply.job_id)


def test_a_post_makes_a_message_a_pending_reply_and_a_job_and_wakes_a_worker(user_id: UUID) -> None:
    sent = sending.send_message(user_id, Draft("hello", metadata={"a": 1}), request_id="asked-1")
    job = job_of(sent)
    assert counts() == [1, 2, 1, 0]
    assert (sent.message.content, sent.message.status, sent.message.metadata) == ("hello", Status.COMPLETED, {"a": 1})
    assert (sent.reply.status, sent.reply.content, sent.reply.parent_id) == (Status.PENDING, "", sent.message.id)
    assert (job.request_id, job.after_id, job.task) == ("asked-1", None, sending.PROCESS_MESSAGE)
    assert (sent.thread.status, sent.reply.queue_position) == ("pending", None)
    assert wake_ups(redis()) == [job.id]
    created = log.read_tail(redis(), str(sent.thread.id))
    assert [(event.type, event.message_id) for event in created] == [
        (events.CREATED, str(sent.message.id)),
        (events.CREATED, str(sent.reply.id)),
    ]


def refuse(_: Sent) -> Answer:
    raise RuntimeError("the last step fails")


def test_a_failure_at_the_last_step_leaves_nothing_and_wakes_nobody(user_id: UUID) -> None:
    thread_id = rows.a_thread(user_id, title="Kept")
    before = counts()
    once = Once(user_id, "key", "fingerprint")
    with pytest.raises(RuntimeError):
        sending.send_message(user_id, Draft("hello", thread_id), once=once, render=refuse)
    assert counts() == before
    assert wake_ups(redis()) == []
    assert log.read_tail(redis(), str(thread_id)) == []
    with reads() as session:
        assert session.get_one(Thread, thread_id).active_message_id is None


@pytest.mark.parametrize("model", ["nobody/model", "openai/gpt", "scripted/", "no-slash"])
def test_a_model_that_cannot_be_used_is_refused_before_anything_is_stored(user_id: UUID, model: str) -> None:
    with pytest.raises(InvalidField) as refused:
        send(user_id, parameters={"model": model})
    assert refused.value.field == "model"
    assert counts() == [0, 0, 0, 0]
    assert wake_ups(redis()) == []


def test_a_thread_of_somebody_else_and_one_that_is_not_there_are_not_found(user_id: UUID) -> None:
    for thread_id in (rows.a_thread(), new_id()):
        before = counts()
        with pytest.raises(NotFound):
            send(user_id, thread_id=thread_id)
        assert counts() == before


@pytest.mark.parametrize(
    ("message", "thread", "user", "chosen"),
    [
        ("scripted/message", "scripted/thread", "scripted/user", "scripted/message"),
        (None, "scripted/thread", "scripted/user", "scripted/thread"),
        (None, None, "scripted/user", "scripted/user"),
        (None, None, None, "scripted/echo"),
    ],
)
def test_the_model_is_the_messages_the_threads_the_users_or_the_default(
    app: Flask, message: str | None, thread: str | None, user: str | None, chosen: str
) -> None:
    user_id = rows.a_user(preferences={"model": user})
    thread_id = rows.a_thread(user_id, settings={"model": thread} if thread else {})
    sent = send(user_id, thread_id=thread_id, parameters={"model": message} if message else {})
    assert sent.reply.model_id == chosen


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("A question\nand more", "A question"),
        ("\n\n  Indented\nsecond", "Indented"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 79 + "…"),
        ("word " * 30, ("word " * 16)[:79].rstrip() + "…"),
    ],
)
def test_the_first_line_of_the_first_message_names_a_thread(user_id: UUID, content: str, title: str) -> None:
    sent = send(user_id, content)
    assert sent.thread.title == title
    assert send(user_id, "Another", sent.thread.id).thread.title == title


def test_a_given_title_stays_and_a_thread_without_one_gets_one(user_id: UUID) -> None:
    assert send(user_id, title="Given").thread.title == "Given"
    assert send(user_id, "First words", rows.a_thread(user_id)).thread.title == "First words"
    assert send(user_id, "First words", rows.a_thread(user_id, title="Kept")).thread.title == "Kept"


def test_a_message_in_a_busy_thread_waits_for_the_one_before(user_id: UUID) -> None:
    first = send(user_id)
    second, third = send(user_id, thread_id=first.thread.id), send(user_id, thread_id=first.thread.id)
    assert [job_of(sent).after_id for sent in (first, second, third)] == [None, job_of(first).id, job_of(second).id]
    assert [sent.reply.queue_position for sent in (first, second, third)] == [None, 1, 2]
    assert wake_ups(redis()) == [job_of(first).id]


def test_a_reply_cancelled_in_the_queue_keeps_its_place_but_does_not_count(user_id: UUID) -> None:
    first = send(user_id)
    second, third = send(user_id, thread_id=first.thread.id), send(user_id, thread_id=first.thread.id)
    cancelling.cancel(user_id, second.reply.id)
    assert reading.get(user_id, third.reply.id).queue_position == 1
    cancelling.cancel(user_id, third.reply.id)
    fourth = send(user_id, thread_id=first.thread.id)
    assert (job_of(fourth).after_id, fourth.reply.queue_position) == (job_of(third).id, 1)
    assert wake_ups(redis()) == [job_of(first).id]


def test_nothing_is_waited_for_behind_replies_that_have_ended(user_id: UUID) -> None:
    first = send(user_id)
    cancelling.cancel(user_id, first.reply.id)
    second = send(user_id, thread_id=first.thread.id)
    assert second.reply.queue_position is None
    assert wake_ups(redis()) == [job_of(first).id, job_of(second).id]


def test_parallel_posts_to_one_thread_queue_up_one_after_the_other(app: Flask, user_id: UUID) -> None:
    thread_id, count = rows.a_thread(user_id), 12
    found = at_once(app, [partial(send, user_id, f"number {number}", thread_id) for number in range(count)])
    sent = [one for one in found if isinstance(one, Sent)]
    assert len(sent) == count, found
    path = reading.path(user_id, thread_id, limit=100, cursor=None).items
    assert [message.role for message in path] == ["user", "assistant"] * count
    assert {message.content for message in path[::2]} == {f"number {number}" for number in range(count)}
    jobs = [rows.job(message.job_id) for message in path[1::2] if message.job_id is not None]
    assert [job.after_id for job in jobs] == [None, *(job.id for job in jobs[:-1])]
    assert sorted(one.reply.queue_position or 0 for one in sent) == list(range(count))
    assert wake_ups(redis()) == [jobs[0].id]


def test_parallel_repeats_of_one_request_make_one_message(app: Flask, user_id: UUID) -> None:
    def render(sent: Sent) -> Answer:
        return Answer(202, None, str(sent.reply.id).encode())

    def post() -> bytes:
        try:
            sent = sending.send_message(user_id, Draft("hi"), once=Once(user_id, "k", "f"), render=render)
        except idempotency.Repeated as repeated:
            return repeated.answer.body
        return str(sent.reply.id).encode()

    answers = set(at_once(app, [post] * 6))
    assert len(answers) == 1
    assert isinstance(answers.pop(), bytes)
    assert counts() == [1, 2, 1, 1]
    assert len(wake_ups(redis())) == 1
