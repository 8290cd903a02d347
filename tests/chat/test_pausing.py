from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import pytest
from flask import Flask

from app.chat import cancelling, finishing, pausing, reading
from app.chat.errors import NotFound, NotWaiting
from app.chat.objects import MessageObject, Sent
from app.database import transaction
from app.extensions import redis
from app.ids import new_id
from app.jobs import lifecycle
from app.models import Status
from app.stream import events, log
from tests.chat.branches import begun, claim, ending, job_of, post
from tests.support import rows
from tests.support.at_once import at_once
from tests.support.broker import wake_ups

WEEK = 604_800


def waiting(user_id: UUID, seconds: float = 600) -> Sent:
    """A reply whose worker lets it wait."""
    sent = post(user_id)
    made = begun(sent)
    with transaction() as session:
        assert lifecycle.wait(session, made, seconds, 300)
    redis().delete("replies")
    return sent


def left(message: MessageObject | Sent) -> float:
    """Seconds until it goes on."""
    shown = message.reply if isinstance(message, Sent) else message
    assert shown.wake_at is not None
    return (shown.wake_at - datetime.now(UTC)).total_seconds()


def test_a_waiting_reply_is_woken_at_once(user_id: UUID) -> None:
    sent = waiting(user_id)
    message, woken = pausing.wake(user_id, sent.reply.id)
    assert (message.status, message.wake_at, woken) == (Status.PENDING, None, True)
    assert wake_ups(redis()) == [sent.reply.job_id]
    deadline = job_of(sent).deadline_at
    assert deadline is not None
    assert (deadline - datetime.now(UTC)).total_seconds() < 310  # the rest of the wait is not given away
    told = log.read_tail(redis(), str(sent.thread.id))[-1]
    assert (told.type, told.fields["thread"]["status"]) == (events.THREAD_UPDATED, "pending")
    assert claim(sent.reply.job_id) is not None


def test_a_reply_for_later_is_woken_at_once(user_id: UUID) -> None:
    sent = post(user_id, after_seconds=3600)
    assert pausing.wake(user_id, sent.reply.id)[1]
    assert wake_ups(redis()) == [sent.reply.job_id]
    assert claim(sent.reply.job_id) is not None


def test_a_reply_for_later_that_is_woken_still_waits_its_turn(user_id: UUID) -> None:
    first = post(user_id)
    behind = post(user_id, first.thread.id, after_seconds=3600)
    message, woken = pausing.wake(user_id, behind.reply.id)
    assert (message.status, message.queue_position, woken) == (Status.PENDING, 1, True)
    assert wake_ups(redis()) == [first.reply.job_id]
    assert claim(behind.reply.job_id) is None


def test_an_active_reply_that_does_not_wait_stays_as_it_is(user_id: UUID) -> None:
    pending, running = post(user_id), post(user_id)
    begun(running)
    redis().delete("replies")
    for sent, status in ((pending, Status.PENDING), (running, Status.PROCESSING)):
        message, woken = pausing.wake(user_id, sent.reply.id)
        assert (message.status, woken) == (status, False)
    assert wake_ups(redis()) == []


def test_what_has_ended_and_what_is_no_reply_does_not_wait(user_id: UUID) -> None:
    ended, cancelled = post(user_id), post(user_id)
    assert finishing.finish(begun(ended), ending())
    cancelling.cancel(user_id, cancelled.reply.id)
    for message_id in (ended.reply.id, cancelled.reply.id, ended.message.id):
        with pytest.raises(NotWaiting):
            pausing.wake(user_id, message_id)
        with pytest.raises(NotWaiting):
            pausing.snooze(user_id, message_id, 5)


def test_only_a_waiting_reply_is_snoozed(user_id: UUID) -> None:
    pending, running = post(user_id), post(user_id)
    begun(running)
    for sent in (pending, running):
        with pytest.raises(NotWaiting):
            pausing.snooze(user_id, sent.reply.id, 5)


def test_a_snooze_is_added_to_what_is_left_and_told(user_id: UUID) -> None:
    sent = waiting(user_id, 600)
    before = job_of(sent)
    message = pausing.snooze(user_id, sent.reply.id, 100.5)
    assert 690 < left(message) < 701
    after = job_of(sent)
    assert None not in {before.deadline_at, before.wake_at, after.deadline_at, after.wake_at}
    assert abs((after.deadline_at - after.wake_at) - (before.deadline_at - before.wake_at)).total_seconds() < 0.1
    told = log.read_tail(redis(), str(sent.thread.id))[-1]
    assert (told.type, told.message_id) == (events.WAITING, str(sent.reply.id))
    assert told.fields["wake_at"].startswith(after.wake_at.isoformat()[:21])
    assert wake_ups(redis()) == []


@pytest.mark.parametrize("seconds", [10.0**9, 1e308, WEEK])
def test_a_snooze_ends_with_the_longest_wait(user_id: UUID, seconds: float) -> None:
    assert WEEK - 10 < left(pausing.snooze(user_id, waiting(user_id).reply.id, seconds)) <= WEEK


def test_a_reply_that_waits_longer_than_the_longest_snooze_is_not_cut_short(user_id: UUID) -> None:
    sent = post(user_id, after_seconds=2 * WEEK)
    assert left(pausing.snooze(user_id, sent.reply.id, 5)) > 2 * WEEK - 10


def test_parallel_snoozes_all_count(app: Flask, user_id: UUID) -> None:
    sent = waiting(user_id, 600)
    found = at_once(app, [partial(pausing.snooze, user_id, sent.reply.id, 100)] * 8)
    assert [one for one in found if isinstance(one, Exception)] == []
    assert 1380 < left(reading.get(user_id, sent.reply.id)) < 1401


def test_of_parallel_wakes_one_wakes(app: Flask, user_id: UUID) -> None:
    sent = waiting(user_id)
    found = at_once(app, [partial(pausing.wake, user_id, sent.reply.id)] * 8)
    assert [one for one in found if isinstance(one, Exception)] == []
    assert sum(one[1] for one in found if not isinstance(one, Exception)) == 1
    assert wake_ups(redis()) == [sent.reply.job_id]


def test_a_reply_that_is_being_cancelled_is_neither_woken_nor_snoozed(user_id: UUID) -> None:
    sent = waiting(user_id)
    assert sent.reply.job_id is not None
    rows.set_job(sent.reply.job_id, cancel_requested_at=job_of(sent).created_at)
    assert pausing.wake(user_id, sent.reply.id)[1] is False
    with pytest.raises(NotWaiting):
        pausing.snooze(user_id, sent.reply.id, 5)


def test_nobody_else_ends_or_stretches_a_wait(user_id: UUID) -> None:
    theirs = waiting(rows.a_user())
    for message_id in (theirs.reply.id, new_id()):
        with pytest.raises(NotFound):
            pausing.wake(user_id, message_id)
        with pytest.raises(NotFound):
            pausing.snooze(user_id, message_id, 5)
    assert job_of(theirs).status is Status.WAITING
