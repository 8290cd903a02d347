from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from app.chat import cancelling, finishing, steering, threads
from app.chat.errors import InvalidField, ThreadBusy
from app.chat.objects import Sent
from app.database import reading as reads
from app.database import transaction
from app.extensions import redis
from app.jobs import lifecycle
from app.models import Job, Message, Status
from app.stream import events
from tests.chat.branches import (
    begun,
    claim,
    ending,
    ids,
    job_of,
    path,
    post,
    take,
    told,
    tree,
)
from tests.chat.test_busy import MODES
from tests.chat.test_sending import counts
from tests.support import rows
from tests.support.at_once import at_once
from tests.support.broker import wake_ups


def steering_of(job_id: UUID | None) -> list[str]:
    with reads() as session:
        waiting = select(Message.content).where(Message.steers_job_id == job_id).order_by(Message.id)
        return list(session.scalars(waiting))


def test_a_steering_message_waits_beside_the_path_for_the_running_reply(user_id: UUID) -> None:
    first = post(user_id)
    begun(first)
    queued = post(user_id, first.thread.id)
    steered = post(user_id, first.thread.id, "turn left", busy="steer")
    assert steered.reply.id == first.reply.id
    assert (steered.message.parent_id, steered.message.content) == (first.reply.id, "turn left")
    assert steered.thread.last_message is not None
    assert steered.thread.last_message.id == queued.reply.id
    assert ids(user_id, first.thread.id)[-1] == queued.reply.id
    assert steering_of(first.reply.job_id) == ["turn left"]
    assert (job_of(first).steers, job_of(queued).steers) == (1, 0)
    assert told(first.thread.id)[-1] == (events.CREATED, str(steered.message.id))
    assert wake_ups(redis()) == [first.reply.job_id]


def test_what_steers_enters_above_the_reply_in_order_and_once(user_id: UUID) -> None:
    first = post(user_id, content="one")
    begun(first)
    queued = post(user_id, first.thread.id, "four")
    for word in ("two", "three"):
        post(user_id, first.thread.id, word, busy="steer")
    assert take(first) == ["two", "three"]
    assert take(first) == []
    assert [message.content for message in path(user_id, first.thread.id)] == ["one", "two", "three", "", "four", ""]
    assert ids(user_id, first.thread.id)[-1] == queued.reply.id


def test_what_was_not_read_in_time_becomes_an_ordinary_message(user_id: UUID) -> None:
    first = post(user_id, content="one", parameters={"model": "scripted/first"})
    running = begun(first)
    queued = post(user_id, first.thread.id, "two")
    post(user_id, first.thread.id, "three", busy="steer", parameters={"model": "scripted/other", "temperature": 1.0})
    post(user_id, first.thread.id, "four", busy="steer")
    assert finishing.finish(running, ending())
    shown = path(user_id, first.thread.id)
    assert [message.content for message in shown[::2]] == ["one", "two", "three", "four"]
    models = ["scripted/first", "scripted/echo", "scripted/other", "scripted/first"]
    assert [message.model_id for message in shown[1::2]] == models
    jobs = [rows.job(message.job_id) for message in shown[1::2] if message.job_id is not None]
    assert [job.after_id for job in jobs] == [None, jobs[0].id, jobs[1].id, jobs[2].id]
    assert [job.status for job in jobs] == [Status.COMPLETED, *[Status.PENDING] * 3]
    with reads() as session:
        parameters = [session.get_one(Message, message.id).parameters for message in shown[1::2]]
    assert parameters[2] == {"model": "scripted/other", "temperature": 1.0}
    assert steering_of(first.reply.job_id) == []
    assert queued.reply.id in ids(user_id, first.thread.id)


def test_what_steered_a_reply_of_another_branch_is_answered_there(user_id: UUID) -> None:
    root = post(user_id)
    assert finishing.finish(begun(root), ending())
    left = post(user_id, root.thread.id, "left")
    running = begun(left)
    steered = post(user_id, root.thread.id, "more", busy="steer")
    threads.change(user_id, root.thread.id, {"active_message_id": root.reply.id})
    right = post(user_id, root.thread.id, "right")
    assert finishing.finish(running, ending())
    assert ids(user_id, root.thread.id)[-1] == right.reply.id
    assert tree(user_id, root.thread.id)[steered.message.id].parent_id == left.reply.id
    [answer] = [m for m in tree(user_id, root.thread.id).values() if m.parent_id == steered.message.id]
    assert (answer.role, answer.status) == ("assistant", Status.PENDING)


def test_what_steers_is_no_end_of_a_path_yet(user_id: UUID) -> None:
    first = post(user_id)
    begun(first)
    steered = post(user_id, first.thread.id, busy="steer")
    with pytest.raises(InvalidField):
        threads.change(user_id, first.thread.id, {"active_message_id": steered.message.id})
    assert take(first)
    assert threads.change(user_id, first.thread.id, {"active_message_id": steered.message.id})


def test_a_reply_that_is_being_cancelled_is_not_steered(user_id: UUID) -> None:
    first = post(user_id)
    begun(first)
    assert first.reply.job_id is not None
    cancelling.cancel_job(first.reply.job_id)
    second = post(user_id, first.thread.id, busy="steer")
    assert (second.message.parent_id, second.reply.queue_position) == (first.reply.id, 1)


def test_what_steers_cannot_come_later(user_id: UUID) -> None:
    first = post(user_id)
    before = counts()
    with pytest.raises(InvalidField) as refused:
        post(user_id, first.thread.id, busy="steer", after_seconds=5)
    assert refused.value.field == "after_seconds"
    assert counts() == before


def test_parallel_steering_and_reading_loses_no_message(app: Flask, user_id: UUID) -> None:
    first, words = post(user_id), [f"n{n}" for n in range(8)]
    running = begun(first)
    posts = [partial(post, user_id, first.thread.id, word, busy="steer") for word in words]
    reads_: list[Any] = [partial(take, first) for _ in range(4)]
    found = at_once(app, [*posts, *reads_])
    assert [one for one in found if isinstance(one, Exception)] == []
    assert finishing.finish(running, ending())
    shown = path(user_id, first.thread.id)
    assert sorted(message.content for message in shown if message.role == "user") == ["hello", *words]
    taken = [word for one in found if isinstance(one, list) for word in one]
    assert len(set(taken)) == len(taken)
    roles = [message.role for message in shown]
    assert roles == ["user"] * (1 + len(taken)) + ["assistant"] + ["user", "assistant"] * (len(words) - len(taken))


def work(user_id: UUID, thread_id: UUID) -> int:
    """Claim, steer and end what can be claimed in the thread, as a worker would, a few times over."""
    done = 0
    for _ in range(12):
        with reads() as session:
            waiting = select(Job.id).where(Job.thread_id == thread_id, Job.status == Status.PENDING)
            found = session.scalars(waiting.order_by(Job.id)).all()
        for job_id in found:
            made = claim(job_id)
            if made is not None:
                reply_id = rows.reply_of(job_id).id
                with transaction() as session:
                    assert lifecycle.settle(session, made, "so far")
                    steering.take_steers(session, job_id, reply_id)
                done += finishing.finish(made, ending())
    return done


def test_posts_of_all_modes_at_once_while_replies_are_written_leave_a_tree_in_order(app: Flask, user_id: UUID) -> None:
    first = post(user_id)
    thread_id = first.thread.id
    posts = [partial(post, user_id, thread_id, f"{busy} {n}", busy=busy) for n in range(3) for busy in MODES]
    workers: list[Any] = [partial(work, user_id, thread_id)] * 3
    found = at_once(app, [*posts, *workers])
    assert {type(one) for one in found if isinstance(one, Exception)} <= {ThreadBusy}
    while work(user_id, thread_id):
        pass
    everything = tree(user_id, thread_id)
    assert {one.message.id for one in found if isinstance(one, Sent)} <= set(everything)
    replies = [message for message in everything.values() if message.role == "assistant"]
    assert {message.status for message in replies} <= {Status.COMPLETED, Status.CANCELLED}
    assert {everything[message.parent_id].role for message in replies if message.parent_id} == {"user"}
    with reads() as session:
        assert session.scalars(select(Message.id).where(Message.steers_job_id.is_not(None))).all() == []
    shown = path(user_id, thread_id)
    assert shown[-1].role == "assistant"
    assert [message.role for message in shown if message.parent_id is None] == ["user"]
