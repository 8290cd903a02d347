from __future__ import annotations

import threading
from functools import partial
from uuid import UUID

import pytest
from flask import Flask

from app.chat import branching, cancelling, finishing
from app.chat.idempotency import Answer, Once
from app.chat.objects import Sent
from app.database import transaction
from app.extensions import redis
from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.models import Status
from app.stream import events, log
from tests.chat.branches import (
    Blocked,
    begun,
    claim,
    ending,
    ids,
    job_of,
    parameters,
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


def test_an_answered_message_is_edited_in_a_branch_of_its_own(user_id: UUID) -> None:
    root = post(user_id)
    assert finishing.finish(begun(root), ending())
    wanted = {"model": "scripted/old", "temperature": 0.5}
    old = post(user_id, root.thread.id, "old", metadata={"a": 1}, parameters=wanted)
    assert finishing.finish(begun(old), ending("answer"))
    after = post(user_id, root.thread.id, "after")
    new = branching.edit(user_id, old.message.id, "new")
    assert new.message.parent_id == root.reply.id
    assert (new.message.content, new.message.metadata, new.message.role) == ("new", {"a": 1}, "user")
    assert (new.reply.model_id, parameters(new)) == ("scripted/old", wanted)
    assert ids(user_id, root.thread.id) == [root.message.id, root.reply.id, new.message.id, new.reply.id]
    everything = tree(user_id, root.thread.id)
    assert everything[old.message.id].content == "old"
    assert everything[after.message.id].parent_id == old.reply.id
    assert told(root.thread.id)[-2:] == [
        (events.CREATED, str(new.message.id)),
        (events.CREATED, str(new.reply.id)),
    ]
    assert wake_ups(redis())[-1] == new.reply.job_id


def test_a_message_whose_reply_runs_is_edited_beside_it(user_id: UUID) -> None:
    old = post(user_id, content="old")
    begun(old)
    new = branching.edit(user_id, old.message.id, "new")
    assert new.message.id != old.message.id
    assert new.message.parent_id is None
    assert job_of(old).status is Status.PROCESSING
    assert claim(new.reply.job_id) is not None


@pytest.mark.parametrize("later", [0, 3600])
def test_a_queued_message_is_changed_where_it_stands(user_id: UUID, later: float) -> None:
    first = post(user_id)
    begun(first)
    queued = post(user_id, first.thread.id, "old", after_seconds=later)
    behind = post(user_id, first.thread.id, "behind")
    before, woken = counts(), wake_ups(redis())
    edited = branching.edit(user_id, queued.message.id, "new")
    assert (edited.message.id, edited.reply.id) == (queued.message.id, queued.reply.id)
    assert edited.message.content == "new"
    assert edited.message.created_at == queued.message.created_at
    assert edited.reply.queue_position == queued.reply.queue_position
    assert edited.thread.last_message is not None
    assert edited.thread.last_message.id == behind.reply.id
    assert [message.content for message in path(user_id, first.thread.id)][2] == "new"
    assert (counts(), wake_ups(redis())) == (before, woken)
    created = log.read_tail(redis(), str(first.thread.id))[-1]
    assert (created.type, created.message_id) == (events.CREATED, str(queued.message.id))
    assert created.fields["message"]["content"] == "new"


def test_a_message_with_one_reply_that_began_is_edited_beside_it(user_id: UUID) -> None:
    first = post(user_id)
    assert finishing.finish(begun(first), ending())
    branching.regenerate(user_id, first.reply.id, {})
    assert branching.edit(user_id, first.message.id, "new").message.id != first.message.id


def test_a_message_whose_reply_was_cancelled_in_the_queue_is_edited_beside_it(user_id: UUID) -> None:
    first = post(user_id)
    cancelling.cancel(user_id, first.reply.id)
    edited = branching.edit(user_id, first.message.id, "new")
    assert edited.message.id != first.message.id
    assert claim(edited.reply.job_id) is not None


def test_what_steers_is_changed_until_it_is_read(user_id: UUID) -> None:
    first = post(user_id)
    begun(first)
    steered = post(user_id, first.thread.id, "left", busy="steer")
    edited = branching.edit(user_id, steered.message.id, "right")
    assert (edited.message.id, edited.reply.id) == (steered.message.id, first.reply.id)
    assert take(first) == ["right"]
    later = branching.edit(user_id, steered.message.id, "back")
    assert later.message.id != steered.message.id
    assert [message.content for message in path(user_id, first.thread.id)] == ["hello", "back", ""]


@pytest.mark.parametrize("round_", range(5))
def test_an_edit_and_a_claim_in_the_same_moment_agree(app: Flask, user_id: UUID, round_: int) -> None:
    queued = post(user_id, content="old")
    lease = rows.a_lease()
    edit = partial(branching.edit, user_id, queued.message.id, "new")
    claimed, edited = at_once(app, [partial(claim, queued.reply.job_id, lease), edit])
    assert isinstance(claimed, Claim)
    assert isinstance(edited, Sent)
    content = tree(user_id, queued.thread.id)[queued.message.id].content
    in_place = edited.message.id == queued.message.id
    assert content == ("new" if in_place else "old")


def test_an_edit_waits_for_a_claim_that_is_about_to_be_committed(app: Flask, user_id: UUID) -> None:
    queued, lease = post(user_id, content="old"), rows.a_lease()
    assert queued.reply.job_id is not None
    with transaction() as session:
        assert lifecycle.claim(session, queued.reply.job_id, lease, 600, 3)
        edit = Blocked(app, partial(branching.edit, user_id, queued.message.id, "new"))
    assert edit.end().message.id != queued.message.id
    assert tree(user_id, queued.thread.id)[queued.message.id].content == "old"


def test_what_steers_is_read_as_an_edit_leaves_it_that_is_about_to_be_committed(app: Flask, user_id: UUID) -> None:
    first = post(user_id)
    begun(first)
    steered = post(user_id, first.thread.id, "left", busy="steer")
    written, go_on = threading.Event(), threading.Event()

    def render(_: Sent) -> Answer:
        """The last step inside the edit's transaction."""
        written.set()
        assert go_on.wait(20)
        return Answer(202, None, b"")

    once = Once(user_id, "k", "f")
    edit = Blocked(app, partial(branching.edit, user_id, steered.message.id, "right", once=once, render=render))
    assert written.is_set()
    reads_ = Blocked(app, partial(take, first))
    go_on.set()
    assert edit.end().message.id == steered.message.id
    assert reads_.end() == ["right"]
