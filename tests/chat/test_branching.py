from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from app.chat import branching, finishing, threads
from app.chat.errors import InvalidField, NotContinuable, NotFound
from app.chat.idempotency import Answer, Once, Repeated
from app.chat.objects import Sent
from app.database import reading as reads
from app.extensions import redis
from app.ids import new_id
from app.models import Message, Status
from app.stream import events
from tests.chat.branches import (
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
        made = act(once=Once(user_id, name, "f"), render=render)
        before = counts()
        with pytest.raises(Repeated) as repeated:
            act(once=Once(user_id, name, "f"), render=render)
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
