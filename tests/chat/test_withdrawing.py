from __future__ import annotations

from functools import partial
from uuid import UUID

import pytest
from flask import Flask

from app.chat import branching, cancelling, finishing, reading, threads, withdrawing
from app.chat.errors import AlreadyStarted, NotFound
from app.chat.objects import Sent
from app.extensions import redis
from app.ids import new_id
from app.jobs.claim import Claim
from app.models import Status
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
    tree,
)
from tests.chat.test_sending import counts
from tests.support import rows
from tests.support.at_once import at_once
from tests.support.broker import wake_ups


def both(sent: Sent) -> list[UUID]:
    return [sent.message.id, sent.reply.id]


@pytest.mark.parametrize("named", ["message", "reply"])
def test_a_queued_message_is_gone_with_its_reply_and_the_queue_closes_up(user_id: UUID, named: str) -> None:
    first = post(user_id)
    running = begun(first)
    second, third = post(user_id, first.thread.id, "second"), post(user_id, first.thread.id, "third")
    withdrawing.withdraw(user_id, second.message.id if named == "message" else second.reply.id)
    assert ids(user_id, first.thread.id) == both(first) + both(third)
    assert set(tree(user_id, first.thread.id)) == set(both(first) + both(third))
    assert job_of(third).after_id == first.reply.job_id
    assert reading.get(user_id, third.reply.id).queue_position == 1
    assert counts() == [1, 4, 2, 0]
    assert claim(third.reply.job_id) is None
    assert finishing.finish(running, ending())
    assert claim(third.reply.job_id) is not None


def test_readers_are_told_first_that_the_reply_is_no_more_then_what_became_of_the_thread(user_id: UUID) -> None:
    first = post(user_id)
    second = post(user_id, first.thread.id)
    withdrawing.withdraw(user_id, second.message.id)
    gone, thread = log.read_tail(redis(), str(first.thread.id))[-2:]
    assert (gone.type, gone.message_id) == (events.CANCELLED, str(second.reply.id))
    assert gone.fields["message"]["status"] == "cancelled"
    assert thread.type == events.THREAD_UPDATED
    assert thread.fields["thread"]["last_message"]["id"] == str(first.reply.id)


def test_the_last_of_a_queue_leaves_the_one_before_at_its_end(user_id: UUID) -> None:
    first = post(user_id)
    second = post(user_id, first.thread.id)
    withdrawing.withdraw(user_id, second.message.id)
    assert threads.get(user_id, first.thread.id).last_message == reading.get(user_id, first.reply.id)


def test_the_only_message_leaves_an_empty_thread_that_can_be_posted_to(user_id: UUID) -> None:
    first = post(user_id)
    withdrawing.withdraw(user_id, first.reply.id)
    assert path(user_id, first.thread.id) == []
    assert (threads.get(user_id, first.thread.id).status, counts()) == ("idle", [1, 0, 0, 0])
    assert post(user_id, first.thread.id).message.parent_id is None


def test_the_first_of_a_queue_makes_way_for_the_next_at_once(user_id: UUID) -> None:
    first = post(user_id)
    second = post(user_id, first.thread.id)
    withdrawing.withdraw(user_id, first.message.id)
    assert wake_ups(redis())[-1] == second.reply.job_id
    assert reading.get(user_id, second.message.id).parent_id is None
    assert claim(second.reply.job_id) is not None


def test_a_reply_for_later_can_be_taken_back(user_id: UUID) -> None:
    later = post(user_id, after_seconds=3600)
    withdrawing.withdraw(user_id, later.message.id)
    assert counts() == [1, 0, 0, 0]


def test_what_has_begun_was_begun_or_is_cancelled_is_not_taken_back(user_id: UUID) -> None:
    running, ended, cancelled, handed = (post(user_id) for _ in range(4))
    begun(running)
    assert finishing.finish(begun(ended), ending())
    cancelling.cancel(user_id, cancelled.reply.id)
    assert handed.reply.job_id is not None
    rows.set_job(handed.reply.job_id, attempt=1)  # as after a worker that left it to the next
    before = counts()
    for sent in (running, ended, cancelled, handed):
        for message_id in both(sent):
            with pytest.raises(AlreadyStarted):
                withdrawing.withdraw(user_id, message_id)
    assert counts() == before
    assert log.read_tail(redis(), str(running.thread.id))[-1].type != events.CANCELLED


def test_a_message_whose_cancel_is_noted_ends_as_cancelled(user_id: UUID) -> None:
    first = post(user_id)
    assert first.reply.job_id is not None
    rows.set_job(first.reply.job_id, cancel_requested_at=job_of(first).created_at)
    with pytest.raises(AlreadyStarted):
        withdrawing.withdraw(user_id, first.message.id)
    cancelling.cancel_job(first.reply.job_id)
    assert job_of(first).status is Status.CANCELLED


def test_of_several_replies_the_one_that_is_named_goes_alone(user_id: UUID) -> None:
    first = post(user_id)
    assert finishing.finish(begun(first), ending())
    again = branching.regenerate(user_id, first.reply.id, {})
    behind = post(user_id, first.thread.id)
    with pytest.raises(AlreadyStarted):
        withdrawing.withdraw(user_id, first.message.id)
    withdrawing.withdraw(user_id, again.reply.id)
    assert ids(user_id, first.thread.id) == both(first) + both(behind)
    assert claim(behind.reply.job_id) is not None


def test_what_waited_for_a_reply_waits_for_the_one_that_takes_its_place(user_id: UUID) -> None:
    first = post(user_id)
    running = begun(first)
    second, third = post(user_id, first.thread.id), post(user_id, first.thread.id)
    other = branching.regenerate(user_id, second.reply.id, {})
    withdrawing.withdraw(user_id, second.reply.id)
    assert finishing.finish(running, ending())
    between = begun(other)
    assert claim(third.reply.job_id) is None
    assert finishing.finish(between, ending())
    begun(third)


def test_all_queued_replies_go_with_their_message(user_id: UUID) -> None:
    first = post(user_id)
    second = post(user_id, first.thread.id)
    branching.regenerate(user_id, second.reply.id, {})
    withdrawing.withdraw(user_id, second.message.id)
    assert set(tree(user_id, first.thread.id)) == set(both(first))
    assert counts() == [1, 2, 1, 0]


def test_other_branches_stay_where_they_are(user_id: UUID) -> None:
    first = post(user_id)
    left = post(user_id, first.thread.id)
    threads.change(user_id, first.thread.id, {"active_message_id": first.reply.id})
    right = post(user_id, first.thread.id)
    withdrawing.withdraw(user_id, left.message.id)
    assert ids(user_id, first.thread.id) == both(first) + both(right)


def test_what_steers_can_be_taken_back_until_it_is_read(user_id: UUID) -> None:
    first = post(user_id)
    begun(first)
    gone, read = (post(user_id, first.thread.id, word, busy="steer") for word in ("gone", "read"))
    withdrawing.withdraw(user_id, gone.message.id)
    cancelled = log.read_tail(redis(), str(first.thread.id))[-2]
    assert (cancelled.type, cancelled.message_id) == (events.CANCELLED, str(gone.message.id))
    assert take(first) == ["read"]
    with pytest.raises(AlreadyStarted):
        withdrawing.withdraw(user_id, read.message.id)
    assert ids(user_id, first.thread.id) == [first.message.id, read.message.id, first.reply.id]


def test_what_steered_a_reply_that_is_taken_back_becomes_an_ordinary_message(user_id: UUID) -> None:
    first = post(user_id, content="first")
    post(user_id, first.thread.id, "steers", busy="steer")
    withdrawing.withdraw(user_id, first.message.id)
    [question, answer] = path(user_id, first.thread.id)
    assert (question.content, question.parent_id, answer.status) == ("steers", None, Status.PENDING)
    assert wake_ups(redis())[-1] == answer.job_id
    assert log.read_tail(redis(), str(first.thread.id))[-1].message_id == str(answer.id)


def test_nobody_else_takes_a_message_back(user_id: UUID) -> None:
    theirs = post(rows.a_user())
    for message_id in (*both(theirs), new_id()):
        with pytest.raises(NotFound):
            withdrawing.withdraw(user_id, message_id)
    withdrawing.withdraw(theirs.thread.user_id, theirs.message.id)
    for message_id in both(theirs):
        with pytest.raises(NotFound):
            withdrawing.withdraw(theirs.thread.user_id, message_id)


@pytest.mark.parametrize("round_", range(5))
def test_of_a_claim_and_a_withdrawal_in_the_same_moment_one_wins(app: Flask, user_id: UUID, round_: int) -> None:
    sent, lease = post(user_id), rows.a_lease()
    withdraw = partial(withdrawing.withdraw, user_id, sent.message.id)
    claimed, withdrawn = at_once(app, [partial(claim, sent.reply.job_id, lease), withdraw])
    if isinstance(claimed, Claim):
        assert isinstance(withdrawn, AlreadyStarted)
        assert finishing.finish(claimed, ending())
        assert ids(user_id, sent.thread.id) == both(sent)
    else:
        assert (claimed, withdrawn) == (None, None)
        assert counts() == [1, 0, 0, 0]


def test_parallel_withdrawals_cancels_and_posts_leave_a_consistent_queue(app: Flask, user_id: UUID) -> None:
    first = post(user_id)
    running = begun(first)
    thread_id = first.thread.id
    queue = [post(user_id, thread_id, f"n{n}") for n in range(8)]
    found = at_once(
        app,
        [
            *[partial(withdrawing.withdraw, user_id, sent.message.id) for sent in queue[::2]],
            *[partial(withdrawing.withdraw, user_id, sent.reply.id) for sent in queue[::2]],
            *[partial(cancelling.cancel, user_id, sent.reply.id) for sent in queue[1:2]],
            *[partial(post, user_id, thread_id, "new")] * 3,
        ],
    )
    errors = [one for one in found if isinstance(one, Exception)]
    assert {type(error) for error in errors} == {NotFound}
    assert len(errors) == 4
    shown = path(user_id, thread_id)
    assert [m.content for m in shown[2::2]] == ["n1", "n3", "n5", "n7", "new", "new", "new"]
    assert finishing.finish(running, ending())
    for reply in shown[5::2]:
        made = claim(reply.job_id)
        assert made is not None
        assert finishing.finish(made, ending())
