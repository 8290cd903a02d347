from __future__ import annotations

import threading
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from app.chat import branching, cancelling, finishing, threads
from app.chat.errors import InvalidField, NotContinuable, NotFound
from app.chat.idempotency import Answer, Once, Repeated
from app.chat.objects import Sent
from app.chat.sending import Origin
from app.database import reading as reads
from app.database import transaction
from app.extensions import redis
from app.ids import new_id
from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.models import Message, Status
from app.stream import events, log
from tests.chat.branches import Blocked, at_once, begun, claim, ending, ids, job_of, path, post, tree
from tests.chat.test_busy import take, told
from tests.chat.test_sending import counts
from tests.support import rows
from tests.support.broker import wake_ups


def parameters(sent: Sent) -> dict[str, Any]:
    with reads() as session:
        return session.get_one(Message, sent.reply.id).parameters


def test_regenerating_an_ended_reply_makes_another_beside_it_and_shows_that(user_id: UUID) -> None:
    first = post(user_id)
    assert finishing.finish(begun(first), ending("one"))
    again = branching.regenerate(user_id, first.reply.id, {})
    assert again.message == tree(user_id, first.thread.id)[first.message.id]
    assert (again.reply.parent_id, again.reply.status) == (first.message.id, Status.PENDING)
    assert ids(user_id, first.thread.id) == [first.message.id, again.reply.id]
    assert tree(user_id, first.thread.id)[first.reply.id].content == "one"
    assert again.thread.last_message == again.reply
    assert wake_ups(redis())[-1] == again.reply.job_id
    assert told(first.thread.id)[-1] == (events.CREATED, str(again.reply.id))
    threads.change(user_id, first.thread.id, {"active_message_id": first.reply.id})
    assert ids(user_id, first.thread.id) == [first.message.id, first.reply.id]


def test_regenerating_a_running_reply_leaves_it_running_and_waits_for_what_both_follow(user_id: UUID) -> None:
    root = post(user_id)
    queued = post(user_id, root.thread.id)
    again = branching.regenerate(user_id, queued.reply.id, {})
    assert job_of(again).after_id == job_of(queued).after_id == root.reply.job_id
    assert again.reply.queue_position == 1
    assert finishing.finish(begun(root), ending())
    assert claim(queued.reply.job_id) is not None
    assert claim(again.reply.job_id) is not None


def test_a_regenerated_reply_is_wanted_as_the_old_one_but_for_what_is_given(user_id: UUID) -> None:
    wanted = {"model": "scripted/old", "temperature": 0.5, "tools": ["clock"]}
    first = post(user_id, parameters=wanted)
    same = branching.regenerate(user_id, first.reply.id, {})
    assert (same.reply.model_id, parameters(same)) == ("scripted/old", wanted)
    other = branching.regenerate(user_id, first.reply.id, {"model": "scripted/new", "tools": []})
    assert (other.reply.model_id, parameters(other)) == (
        "scripted/new",
        {"model": "scripted/new", "temperature": 0.5, "tools": []},
    )


def test_what_steered_a_reply_is_above_its_sibling_too(user_id: UUID) -> None:
    first = post(user_id)
    running = begun(first)
    post(user_id, first.thread.id, "left", busy="steer")
    assert take(first) == ["left"]
    assert finishing.finish(running, ending())
    branching.regenerate(user_id, first.reply.id, {})
    assert [message.content for message in path(user_id, first.thread.id)] == ["hello", "left", ""]


@pytest.mark.parametrize("model", ["nobody/x", "openai/gpt"])
def test_a_model_that_cannot_be_used_makes_no_branch(user_id: UUID, model: str) -> None:
    first = post(user_id)
    before = counts()
    with pytest.raises(InvalidField) as refused:
        branching.regenerate(user_id, first.reply.id, {"model": model})
    assert refused.value.field == "model"
    assert counts() == before
    assert ids(user_id, first.thread.id)[-1] == first.reply.id


def test_only_a_reply_can_be_regenerated_and_only_a_users_message_edited(user_id: UUID) -> None:
    first = post(user_id)
    before = counts()
    with pytest.raises(InvalidField) as refused:
        branching.regenerate(user_id, first.message.id, {})
    assert refused.value.field == "message_id"
    with pytest.raises(InvalidField) as refused:
        branching.edit(user_id, first.reply.id, "new")
    assert refused.value.field == "message_id"
    assert counts() == before


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

    origin = Origin(once=Once(user_id, "k", "f"), render=render)
    edit = Blocked(app, partial(branching.edit, user_id, steered.message.id, "right", origin))
    assert written.is_set()
    reads_ = Blocked(app, partial(take, first))
    go_on.set()
    assert edit.end().message.id == steered.message.id
    assert reads_.end() == ["right"]


@pytest.mark.parametrize("reason", ["length", "budget", "tool_limit"])
def test_a_reply_cut_by_a_limit_is_continued_beside_it_from_its_text(user_id: UUID, reason: str) -> None:
    first = post(user_id, parameters={"temperature": 0.5})
    assert finishing.finish(begun(first), ending("so far", reason))
    on = branching.proceed(user_id, first.reply.id)
    assert on.reply.parent_id == first.message.id
    assert parameters(on) == {"temperature": 0.5, "continues": str(first.reply.id)}
    assert (job_of(on).settled, job_of(on).checkpoint, on.reply.content) == ("so far", "so far", "so far")
    assert ids(user_id, first.thread.id) == [first.message.id, on.reply.id]
    begun(on)
    assert job_of(on).checkpoint == "so far"
    assert "continues" not in parameters(branching.regenerate(user_id, on.reply.id, {}))


def test_only_a_reply_cut_by_a_limit_is_continued(user_id: UUID) -> None:
    first = post(user_id)
    for message_id in (first.message.id, first.reply.id):
        with pytest.raises(NotContinuable):
            branching.proceed(user_id, message_id)
    running = begun(first)
    with pytest.raises(NotContinuable):
        branching.proceed(user_id, first.reply.id)
    assert finishing.finish(running, ending())
    before = counts()
    with pytest.raises(NotContinuable):
        branching.proceed(user_id, first.reply.id)
    assert counts() == before


def test_nobody_else_branches_a_thread(user_id: UUID) -> None:
    theirs = post(rows.a_user())
    for message_id in (theirs.reply.id, theirs.message.id, new_id()):
        for act in (
            partial(branching.regenerate, parameters={}),
            branching.proceed,
            partial(branching.edit, content="x"),
        ):
            with pytest.raises(NotFound):
                act(user_id, message_id)
    assert counts() == [1, 2, 1, 0]


def test_nothing_branches_in_a_deleted_thread(user_id: UUID) -> None:
    first = post(user_id)
    threads.delete(user_id, first.thread.id)
    with pytest.raises(NotFound):
        branching.regenerate(user_id, first.reply.id, {})


def test_a_repeated_request_makes_no_second_branch(user_id: UUID) -> None:
    first = post(user_id)
    assert finishing.finish(begun(first), ending("x", "length"))

    def render(sent: Sent) -> Answer:
        return Answer(202, None, str(sent.reply.id).encode())

    acts = {
        "regenerate": partial(branching.regenerate, user_id, first.reply.id, {}),
        "continue": partial(branching.proceed, user_id, first.reply.id),
        "edit": partial(branching.edit, user_id, first.message.id, "new"),
    }
    for name, act in acts.items():
        made = act(origin=Origin(once=Once(user_id, name, "f"), render=render))
        before = counts()
        with pytest.raises(Repeated) as repeated:
            act(origin=Origin(once=Once(user_id, name, "f"), render=render))
        assert repeated.value.answer.body == str(made.reply.id).encode()
        assert counts() == before


def test_parallel_branches_are_all_kept_and_one_is_shown(app: Flask, user_id: UUID) -> None:
    root = post(user_id)
    assert finishing.finish(begun(root), ending())
    old = post(user_id, root.thread.id)
    assert finishing.finish(begun(old), ending("cut", "length"))
    acts: list[Any] = [
        *[partial(branching.regenerate, user_id, old.reply.id, {})] * 4,
        *[partial(branching.edit, user_id, old.message.id, "new")] * 4,
        *[partial(branching.proceed, user_id, old.reply.id)] * 4,
        *[partial(post, user_id, root.thread.id, "further")] * 2,
    ]
    found = at_once(app, acts)
    assert [one for one in found if not isinstance(one, Sent)] == []
    everything = tree(user_id, root.thread.id)
    made = [one for one in found if isinstance(one, Sent)]
    assert {one.reply.id for one in made} <= set(everything)
    assert all(everything[one.reply.id].parent_id == one.message.id for one in made)
    assert len(everything) == 4 + 4 + 8 + 4 + 4
    shown = path(user_id, root.thread.id)
    assert [message.role for message in shown] == ["user", "assistant"] * (len(shown) // 2)
    with reads() as session:
        replies = list(session.scalars(select(Message.id).where(Message.role == "assistant")))
    assert shown[-1].id in replies
