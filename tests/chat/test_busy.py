from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from app.chat import finishing, reading, sending, threads
from app.chat.busy import Busy
from app.chat.errors import InvalidField, NotFound, ThreadBusy
from app.chat.idempotency import Answer, Once, Repeated
from app.chat.objects import Sent
from app.chat.sending import Draft
from app.database import reading as reads
from app.extensions import redis
from app.ids import new_id
from app.models import ACTIVE, Job, Status
from app.stream import events, log
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
from tests.chat.test_sending import counts
from tests.support import rows
from tests.support.at_once import at_once
from tests.support.broker import wake_ups

MODES: tuple[Busy, ...] = ("enqueue", "reject", "interrupt", "rollback", "steer")


@pytest.mark.parametrize("busy", MODES)
def test_in_a_thread_that_is_idle_every_mode_is_an_ordinary_post(user_id: UUID, busy: Busy) -> None:
    first = post(user_id)
    assert finishing.finish(begun(first), ending())
    second = post(user_id, first.thread.id, busy=busy)
    assert second.message.parent_id == first.reply.id
    assert (second.reply.parent_id, second.reply.status) == (second.message.id, Status.PENDING)
    assert second.thread.last_message == second.reply
    assert ids(user_id, first.thread.id)[-1] == second.reply.id
    assert wake_ups(redis())[-1] == second.reply.job_id


@pytest.mark.parametrize("busy", MODES)
def test_a_new_thread_is_never_busy(user_id: UUID, busy: Busy) -> None:
    sent = post(user_id, busy=busy)
    assert (sent.reply.status, sent.message.parent_id) == (Status.PENDING, None)


@pytest.mark.parametrize("running", [False, True])
def test_reject_refuses_a_message_while_a_reply_is_unfinished_and_leaves_nothing(user_id: UUID, running: bool) -> None:
    first = post(user_id)
    if running:
        begun(first)
    before, shown = counts(), reading.path(user_id, first.thread.id, limit=9, cursor=None)
    with pytest.raises(ThreadBusy):
        post(user_id, first.thread.id, busy="reject", title="new")
    assert counts() == before
    assert reading.path(user_id, first.thread.id, limit=9, cursor=None) == shown
    assert wake_ups(redis()) == [first.reply.job_id]


def test_a_reply_of_another_branch_makes_no_thread_busy(user_id: UUID) -> None:
    root = post(user_id)
    assert finishing.finish(begun(root), ending())
    left = post(user_id, root.thread.id)
    threads.change(user_id, root.thread.id, {"active_message_id": root.reply.id})
    right = post(user_id, root.thread.id, busy="reject")
    assert right.message.parent_id == root.reply.id
    assert job_of(left).status is Status.PENDING


def test_interrupt_cancels_what_is_unfinished_and_goes_on_behind_it(user_id: UUID) -> None:
    first = post(user_id)
    running = begun(first)
    queued = post(user_id, first.thread.id)
    second = post(user_id, first.thread.id, busy="interrupt")
    assert second.message.parent_id == queued.reply.id
    assert job_of(first).cancel_requested_at is not None  # its worker is told, and ends it with what it has
    assert job_of(first).status is Status.PROCESSING
    assert job_of(queued).status is Status.CANCELLED
    assert claim(second.reply.job_id) is None
    assert finishing.finish(running, ending("so far", "cancelled", Status.CANCELLED))
    assert claim(second.reply.job_id) is not None
    shown = path(user_id, first.thread.id)
    assert [message.content for message in shown] == ["hello", "so far", "hello", "", "hello", ""]
    assert [message.status for message in shown[1::2]] == [Status.CANCELLED, Status.CANCELLED, Status.PROCESSING]


def test_interrupt_ends_at_once_what_nobody_works_on(user_id: UUID) -> None:
    first = post(user_id)
    second = post(user_id, first.thread.id, busy="interrupt")
    assert job_of(first).status is Status.CANCELLED
    assert wake_ups(redis()) == [first.reply.job_id, second.reply.job_id]
    assert (events.CANCELLED, str(first.reply.id)) in told(first.thread.id)


def test_rollback_takes_the_unfinished_pairs_off_the_path_and_deletes_nothing(user_id: UUID) -> None:
    root = post(user_id, content="root")
    assert finishing.finish(begun(root), ending("answered"))
    first = post(user_id, root.thread.id, "first")
    running = begun(first)
    queued = post(user_id, root.thread.id, "queued")
    second = post(user_id, root.thread.id, "instead", busy="rollback")
    assert ids(user_id, root.thread.id) == [root.message.id, root.reply.id, second.message.id, second.reply.id]
    assert job_of(second).after_id is None
    assert claim(second.reply.job_id) is not None
    assert finishing.finish(running, ending("so far", "cancelled", Status.CANCELLED))
    everything = tree(user_id, root.thread.id)
    assert {first.message.id, first.reply.id, queued.message.id, queued.reply.id} <= set(everything)
    assert everything[first.message.id].parent_id == everything[second.message.id].parent_id == root.reply.id
    assert everything[first.reply.id].content == "so far"
    assert job_of(queued).status is Status.CANCELLED


def test_rollback_of_the_first_message_begins_the_thread_anew(user_id: UUID) -> None:
    first = post(user_id)
    second = post(user_id, first.thread.id, busy="rollback")
    assert second.message.parent_id is None
    assert ids(user_id, first.thread.id) == [second.message.id, second.reply.id]


def test_rollback_takes_what_steered_the_pair_along_unanswered(user_id: UUID) -> None:
    first = post(user_id, content="one")
    running = begun(first)
    read = post(user_id, first.thread.id, "two", busy="steer")
    assert take(first) == ["two"]
    unread = post(user_id, first.thread.id, "three", busy="steer")
    second = post(user_id, first.thread.id, "instead", busy="rollback")
    assert finishing.finish(running, ending("", "cancelled", Status.CANCELLED))
    assert ids(user_id, first.thread.id) == [second.message.id, second.reply.id]
    everything = tree(user_id, first.thread.id)
    assert set(everything) == {
        *(first.message.id, first.reply.id, read.message.id, unread.message.id),
        *(second.message.id, second.reply.id),
    }


@pytest.mark.parametrize("busy", MODES)
def test_no_mode_reaches_into_somebody_elses_thread(user_id: UUID, busy: Busy) -> None:
    theirs = post(rows.a_user())
    for thread_id in (theirs.thread.id, new_id()):
        with pytest.raises(NotFound):
            post(user_id, thread_id, busy=busy)
    assert job_of(theirs).cancel_requested_at is None
    assert job_of(theirs).steers == 0


@pytest.mark.parametrize("busy", MODES)
def test_a_model_that_cannot_be_used_changes_nothing(user_id: UUID, busy: Busy) -> None:
    first = post(user_id)
    before = counts()
    with pytest.raises(InvalidField):
        post(user_id, first.thread.id, busy=busy, parameters={"model": "nobody/x"})
    assert counts() == before
    assert (job_of(first).cancel_requested_at, job_of(first).steers) == (None, 0)


def test_a_reply_can_be_asked_for_later(user_id: UUID) -> None:
    sent = post(user_id, after_seconds=3600)
    job = job_of(sent)
    assert (sent.reply.status, job.status) == (Status.WAITING, Status.WAITING)
    assert sent.reply.wake_at == job.wake_at
    assert job.wake_at is not None
    assert 3590 < (job.wake_at - job.created_at).total_seconds() < 3610
    assert wake_ups(redis()) == []
    created, made, waits = log.read_tail(redis(), str(sent.thread.id))
    assert [created.type, made.type, waits.type] == [events.CREATED, events.CREATED, events.WAITING]
    assert waits.message_id == str(sent.reply.id)
    assert waits.fields["wake_at"] is not None
    assert waits.fields["reason"]
    assert claim(job.id) is None


def test_what_comes_behind_a_reply_for_later_waits_for_it(user_id: UUID) -> None:
    later = post(user_id, after_seconds=3600)
    behind = post(user_id, later.thread.id)
    assert behind.reply.queue_position == 1
    assert claim(behind.reply.job_id) is None


def test_interrupt_and_rollback_cancel_a_reply_for_later(user_id: UUID) -> None:
    modes: tuple[Busy, ...] = ("interrupt", "rollback")
    for busy in modes:
        later = post(user_id, after_seconds=3600)
        post(user_id, later.thread.id, busy=busy)
        assert job_of(later).status is Status.CANCELLED


def test_below_a_users_message_the_unfinished_reply_above_it_is_waited_for(user_id: UUID) -> None:
    first = post(user_id)
    queued = post(user_id, first.thread.id)
    threads.change(user_id, first.thread.id, {"active_message_id": queued.message.id})
    beside = post(user_id, first.thread.id)
    assert beside.message.parent_id == queued.message.id
    assert job_of(beside).after_id == first.reply.job_id


@pytest.mark.parametrize("busy", MODES)
def test_a_repeated_request_gets_the_first_answer_in_every_mode(user_id: UUID, busy: Busy) -> None:
    thread_id = rows.a_thread(user_id)

    def render(sent: Sent) -> Answer:
        return Answer(202, None, sent.model_dump_json().encode())

    first = _repeatable(user_id, thread_id, busy, render)
    before = counts()
    with pytest.raises(Repeated) as repeated:
        _repeatable(user_id, thread_id, busy, render)
    assert repeated.value.answer.body == render(first).body
    assert counts() == before
    assert job_of(first).cancel_requested_at is None


def _repeatable(user_id: UUID, thread_id: UUID, busy: Busy, render: Any) -> Sent:
    draft = Draft("hello", thread_id, busy=busy)
    return sending.send_message(user_id, draft, once=Once(user_id, "k", "f"), render=render)


@pytest.mark.parametrize("busy", MODES)
def test_parallel_posts_of_every_mode_leave_one_branch_in_order(app: Flask, user_id: UUID, busy: Busy) -> None:
    first, count = post(user_id), 8
    thread_id = first.thread.id
    found = at_once(app, [partial(post, user_id, thread_id, f"n{n}", busy=busy) for n in range(count)])
    accepted = [one for one in found if isinstance(one, Sent)]
    assert {type(one) for one in found if not isinstance(one, Sent)} <= {ThreadBusy}
    assert len(accepted) == (0 if busy == "reject" else count)
    everything = tree(user_id, thread_id)
    assert {one.message.id for one in accepted} <= set(everything)
    shown = path(user_id, thread_id)
    assert [message.role for message in shown] == ["user", "assistant"] * (len(shown) // 2)
    assert _blocked(shown)
    with reads() as session:
        active = session.scalars(select(Job.id).where(Job.thread_id == thread_id, Job.status.in_(ACTIVE))).all()
    counted = {"enqueue": count + 1, "reject": 1, "interrupt": 1, "rollback": 1, "steer": 1}
    assert len(active) == counted[busy]
    assert len(shown) == {"enqueue": 2 * count + 2, "reject": 2, "interrupt": 2 * count + 2}.get(busy, 2)


def _blocked(shown: list[Any]) -> bool:
    """Whether of the unfinished replies of a path each waits for the one before."""
    jobs = [rows.job(message.job_id) for message in shown[1::2]]
    unfinished = [job for job in jobs if job.status in ACTIVE]
    return all(job.after_id == before.id for before, job in pairwise(unfinished))
