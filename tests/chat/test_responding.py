"""Responses: what one request makes and where it stands."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask

from app.chat import branching, cancelling, reading, responding, threads
from app.chat.attaching import attachment
from app.chat.errors import ChatError, InvalidField, ThreadBusy
from app.chat.items import Given
from app.chat.objects import Sent
from app.chat.responding import Asked
from app.chat.workshop import Workshop
from app.clock import now
from app.extensions import redis
from app.models import Status
from app.stream import log
from tests.chat.asking import (
    PDF,
    PNG,
    WEATHER,
    assistant,
    counts,
    job_of,
    message,
    offered,
    output,
    respond,
    set_message,
    url,
    user,
    written,
)
from tests.chat.branches import parameters, path, post, told
from tests.chat.test_context import thread_with
from tests.support import rows
from tests.support.at_once import at_once
from tests.support.broker import wake_ups

HISTORY = (Given("system", "Be brief."), user("Hi"), assistant("Hello."))


def roles(user_id: UUID, thread_id: UUID) -> list[tuple[str, str]]:
    return [(each.role, each.content) for each in path(user_id, thread_id)]


def test_items_become_rows_above_the_reply_to_the_last_of_them(user_id: UUID) -> None:
    sent = respond(user_id, *HISTORY, "How are you?", metadata={"a": "b"}, parameters={"model": "scripted/x"})
    assert roles(user_id, sent.thread.id) == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello."),
        ("user", "How are you?"),
        ("assistant", ""),
    ]
    assert (sent.message.content, sent.reply.parent_id, sent.reply.model_id) == (
        "How are you?",
        sent.message.id,
        "scripted/x",
    )
    assert (sent.thread.title, sent.thread.status, sent.reply.metadata) == ("Hi", "pending", {"a": "b"})
    assert [each.status for each in path(user_id, sent.thread.id)] == [*[Status.COMPLETED] * 4, Status.PENDING]
    assert wake_ups(redis()) == [sent.reply.job_id]
    given = responding.given(user_id, sent.reply.id)
    assert [entry.message.content for entry in given] == ["Be brief.", "Hi", "Hello.", "How are you?"]
    assert responding.find(user_id, sent.reply.id).message == reading.get(user_id, sent.reply.id)


def test_items_that_say_nothing_are_left_out(user_id: UUID) -> None:
    sent = respond(user_id, Given("system", " "), Given("assistant", ""), "Hi")
    assert roles(user_id, sent.thread.id) == [("user", "Hi"), ("assistant", "")]


def test_a_thread_that_is_there_goes_on_and_its_readers_hear_of_every_row(user_id: UUID) -> None:
    thread_id = thread_with(user_id, "Hi", "Hello.")
    sent = respond(user_id, "One", Given("system", "Two"), thread_id=thread_id)
    assert [content for _, content in roles(user_id, thread_id)] == ["Hi", "Hello.", "One", "Two", ""]
    made = [str(each.id) for each in path(user_id, thread_id)[2:]]
    assert [id_ for _, id_ in told(thread_id)] == made
    assert (sent.message.role, sent.thread.last_message) == ("system", sent.reply)


def test_a_response_goes_on_from_the_one_before(workshop: Workshop, user_id: UUID) -> None:
    first = respond(user_id, "One")
    written(workshop, first)
    second = respond(user_id, "Two", previous_id=first.reply.id)
    assert second.thread.id == first.thread.id
    assert [content for _, content in roles(user_id, first.thread.id)] == ["One", "One", "Two", ""]


def test_one_that_goes_on_from_an_older_one_begins_a_branch(workshop: Workshop, user_id: UUID) -> None:
    first = respond(user_id, "One")
    written(workshop, first)
    left = respond(user_id, "Left", previous_id=first.reply.id)
    right = respond(user_id, "Right", previous_id=first.reply.id)
    assert [left.reply.queue_position, right.reply.queue_position] == [None, None]
    assert [content for _, content in roles(user_id, first.thread.id)] == ["One", "One", "Right", ""]
    assert {written(workshop, each).content for each in (left, right)} == {"Left", "Right"}


def test_one_that_goes_on_from_an_unfinished_one_waits_for_it(workshop: Workshop, user_id: UUID) -> None:
    first = respond(user_id, "One")
    second = respond(user_id, Given("system", "Now."), "Two", previous_id=first.reply.id)
    assert (second.reply.queue_position, rows.job(job_of(second)).after_id) == (1, job_of(first))
    assert written(workshop, second).content == ""
    written(workshop, first)
    assert written(workshop, second).content == "Two"


def test_a_busy_thread_may_be_refused_or_interrupted(user_id: UUID) -> None:
    first = respond(user_id, "One")
    with pytest.raises(ThreadBusy):
        respond(user_id, "Two", previous_id=first.reply.id, busy="reject")
    respond(user_id, "Two", thread_id=first.thread.id, busy="interrupt")
    assert rows.job(job_of(first)).status is Status.CANCELLED
    with pytest.raises(InvalidField):
        respond(user_id, "Two", thread_id=first.thread.id, busy="steer")


def test_hidden_threads_and_those_of_what_is_not_stored_are_in_no_list(user_id: UUID) -> None:
    shown = respond(user_id, "shown")
    hidden = respond(user_id, "hidden", hidden=True)
    passing = respond(user_id, "passing", parameters={"stored": False})
    page = threads.page(user_id, limit=10, cursor=None, order="last_activity", archived=False, status=None)
    assert [thread.id for thread in page.items] == [shown.thread.id]
    for each in (hidden, passing):
        assert threads.get(user_id, each.thread.id).title == each.message.content


def test_attachments_are_kept_beside_the_rows_and_listed_without_their_contents(user_id: UUID) -> None:
    items = (
        user("See", attachment("items.0", "image", url(PNG), "cat.png")),
        user("And", attachment("items.1", "file", url(PDF))),
    )
    sent = respond(user_id, *items)
    [first, last] = responding.given(user_id, sent.reply.id, contents=True)
    [listed] = first.message.attachments
    id_ = UUID(listed.pop("id"))
    assert listed == {"type": "image", "media_type": "image/png", "name": "cat.png", "bytes": len(PNG)}
    assert [each["name"] for each in sent.message.attachments] == ["file.pdf"]
    assert (first.contents, list(last.contents.values())) == ({id_: PNG}, [PDF])
    assert responding.given(user_id, sent.reply.id)[0].contents == {}
    again = respond(user_id, *items)
    assert counts()[-1] == 4
    assert list(responding.given(user_id, again.reply.id, contents=True)[0].contents.values()) == [PNG]


def test_a_retried_request_gets_what_the_first_has_made(user_id: UUID) -> None:
    first = respond(user_id, "One", fingerprint="f" * 64)
    before = counts()
    again = respond(user_id, "One", fingerprint="f" * 64, retried=True)
    assert (again.thread.id, again.message.id, again.reply) == (first.thread.id, first.message.id, first.reply)
    assert counts() == before
    assert len(log.read_tail(redis(), str(first.thread.id))) == 2
    other = respond(rows.a_user(), "One", fingerprint="f" * 64, retried=True)
    fresh = respond(user_id, "One", fingerprint="f" * 64)
    assert len({first.reply.id, other.reply.id, fresh.reply.id}) == 3
    newest = respond(user_id, "One", fingerprint="f" * 64, retried=True)
    assert newest.reply.id == fresh.reply.id


def test_an_old_request_and_one_whose_thread_is_deleted_are_made_anew(user_id: UUID) -> None:
    first = respond(user_id, "One", fingerprint="f" * 64)
    set_message(first.reply.id, created_at=now(-responding.AGAIN_SECONDS - 1))
    second = respond(user_id, "One", fingerprint="f" * 64, retried=True)
    assert second.reply.id != first.reply.id
    threads.delete(user_id, second.thread.id)
    assert respond(user_id, "One", fingerprint="f" * 64, retried=True).reply.id != second.reply.id


def test_of_equal_retries_in_the_same_moment_one_makes_and_the_others_find(app: Flask, user_id: UUID) -> None:
    asked = Asked((user("One"),), fingerprint="e" * 64, retried=True)
    found = at_once(app, [lambda: responding.respond(user_id, asked)] * 4)
    assert all(isinstance(each, Sent) for each in found), found
    assert len({each.reply.id for each in found if isinstance(each, Sent)}) == 1
    assert counts()[:3] == [1, 2, 1]


def test_a_reply_of_api_is_a_response_too(workshop: Workshop, user_id: UUID) -> None:
    sent = post(user_id, content="Hello")
    [question] = responding.given(user_id, sent.reply.id)
    assert question.message == reading.get(user_id, sent.message.id)
    written(workshop, sent)
    on = respond(user_id, "More", previous_id=sent.reply.id)
    assert on.thread.id == sent.thread.id
    assert responding.find(user_id, sent.reply.id).message.content == "Hello"


def test_a_wrong_request_says_what_to_do(user_id: UUID) -> None:
    with pytest.raises(ChatError, match="No tool call found for call_id nobody"):
        respond(user_id, output("nobody", "42"))


def test_a_branch_of_a_response_keeps_what_it_was_asked_with(workshop: Workshop, user_id: UUID) -> None:
    from_items = respond(user_id, *HISTORY, "One", **offered(temperature=0.5))
    written(workshop, from_items)
    again = branching.regenerate(user_id, from_items.reply.id, {})
    assert parameters(again) == parameters(from_items)
    assert responding.given(user_id, again.reply.id) == responding.given(user_id, from_items.reply.id)
    edited = branching.edit(user_id, from_items.message.id, "Two")
    told_ = [entry.message.content for entry in responding.given(user_id, edited.reply.id)]
    assert told_ == ["Be brief.", "Hi", "Hello.", "Two"]
    assert parameters(edited)["functions"] == [WEATHER]


def test_cancelling_a_response_is_cancelling_a_reply(user_id: UUID) -> None:
    sent = respond(user_id, "One")
    assert cancelling.cancel(user_id, sent.reply.id).status is Status.CANCELLED
    assert responding.find(user_id, sent.reply.id).message.status is Status.CANCELLED
    row = message(sent.reply.id)
    assert row is not None
    assert row.removed_at is None
