"""Conversations: items put into a thread, listed and taken out."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.chat import branching, conversing, responding, threads
from app.chat.attaching import attachment
from app.chat.errors import InvalidField, NotFound, ThreadBusy
from app.chat.items import Given
from app.chat.workshop import Workshop
from app.database import reading
from app.models import Attachment, Job
from tests.chat.asking import PNG, assistant, job_of, output, respond, url, user, written
from tests.chat.branches import post, told
from tests.support import rows


def contents(user_id: UUID, thread_id: UUID) -> list[str]:
    return [entry.message.content for entry in conversing.entries(user_id, thread_id)]


def count(table: type) -> int:
    with reading() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def test_one_begins_with_items_and_metadata_or_with_nothing(user_id: UUID) -> None:
    items = [Given("system", "Be brief."), user("Hi"), assistant("Hello.")]
    made = conversing.create(user_id, items, metadata={"topic": "x"})
    assert (made.title, made.metadata, made.status) == ("Hi", {"topic": "x"}, "idle")
    assert contents(user_id, made.id) == ["Be brief.", "Hi", "Hello."]
    assert threads.get(user_id, made.id) == made
    assert made.last_message is not None
    empty = conversing.create(user_id, [], metadata={})
    assert (empty.title, empty.last_message, contents(user_id, empty.id)) == (None, None, [])


def test_a_response_goes_on_from_its_items_and_its_reply_is_one(workshop: Workshop, user_id: UUID) -> None:
    made = conversing.create(user_id, [user("Hi"), assistant("Hello.")], metadata={})
    sent = respond(user_id, "Say it.", thread_id=made.id)
    assert written(workshop, sent).content == "Say it."
    assert contents(user_id, made.id) == ["Hi", "Hello.", "Say it.", "Say it."]
    listed = conversing.entries(user_id, made.id)
    assert conversing.entry(user_id, made.id, sent.reply.id) == listed[-1]


def test_items_are_appended_at_the_end_and_readers_hear_of_them(user_id: UUID) -> None:
    made = conversing.create(user_id, [], metadata={})
    see = user("See", attachment("items.0", "image", url(PNG)))
    first = conversing.append(user_id, made.id, [see, assistant(c1="weather")])
    second = conversing.append(user_id, made.id, [output("c1", "sun")])
    assert [entry.message.parent_id for entry in first + second] == [
        None,
        first[0].message.id,
        first[1].message.id,
    ]
    assert [id_ for _, id_ in told(made.id)] == [str(entry.message.id) for entry in first + second]
    [called] = first[1].calls
    assert (called.call_id, called.name, called.arguments, called.is_open) == (
        "c1",
        "weather",
        '{"place": "Bonn"}',
        True,
    )
    [shown] = first[1].message.tool_invocations
    assert (shown.id, shown.name, shown.status) == (called.id, "weather", "requires_action")
    assert second[0].call_id == "c1"
    [seen, *_] = conversing.entries(user_id, made.id, contents=True)
    assert list(seen.contents.values()) == [PNG]
    assert threads.get(user_id, made.id).title == "See"


def test_what_cannot_stand_there_is_refused(user_id: UUID) -> None:
    made = conversing.create(user_id, [], metadata={})
    for items, field in [([], "items"), ([output("c1", "sun")], "items.0"), ([user("Hi"), user("")], "items.1")]:
        with pytest.raises(InvalidField) as refused:
            conversing.append(user_id, made.id, items)
        assert refused.value.field == field
    with pytest.raises(InvalidField):
        conversing.create(user_id, [output("c1", "sun")], metadata={})
    assert contents(user_id, made.id) == []


def test_nothing_is_put_in_or_taken_out_while_a_reply_is_unfinished(user_id: UUID) -> None:
    sent = post(user_id)
    with pytest.raises(ThreadBusy):
        conversing.append(user_id, sent.thread.id, [user("Hi")])
    with pytest.raises(ThreadBusy):
        conversing.remove(user_id, sent.thread.id, sent.message.id)


def test_a_row_is_taken_out_for_good_and_the_others_close_up(workshop: Workshop, user_id: UUID) -> None:
    image = attachment("items.0", "image", url(PNG))
    sent = respond(user_id, user("See", image), assistant("Nice."), "Go on.")
    written(workshop, sent)
    seen, nice, *_ = conversing.entries(user_id, sent.thread.id)
    conversing.remove(user_id, sent.thread.id, seen.message.id)
    assert contents(user_id, sent.thread.id) == ["Nice.", "Go on.", "Go on."]
    assert conversing.entry(user_id, sent.thread.id, nice.message.id).message.parent_id is None
    assert count(Attachment) == 0
    changed = conversing.remove(user_id, sent.thread.id, sent.reply.id)
    assert changed.last_message is not None
    assert changed.last_message.id == sent.message.id
    assert count(Job) == 0
    with pytest.raises(NotFound):
        responding.find(user_id, sent.reply.id)
    assert job_of(sent)


def test_an_attachment_that_another_branch_shares_stays(workshop: Workshop, user_id: UUID) -> None:
    sent = respond(user_id, user("See", attachment("items.0", "image", url(PNG))))
    written(workshop, sent)
    edited = branching.edit(user_id, sent.message.id, "Look")
    written(workshop, edited)
    conversing.remove(user_id, sent.thread.id, edited.message.id)
    assert count(Attachment) == 1
    [entry] = responding.given(user_id, sent.reply.id, contents=True)
    assert list(entry.contents.values()) == [PNG]


def test_what_is_somebody_elses_or_off_the_path_is_not_found(workshop: Workshop, user_id: UUID) -> None:
    first = respond(user_id, "One")
    written(workshop, first)
    left = respond(user_id, "Left", previous_id=first.reply.id)
    written(workshop, left)
    right = respond(user_id, "Right", previous_id=first.reply.id)
    written(workshop, right)
    stranger = rows.a_user()
    for use in (conversing.entry, conversing.remove):
        with pytest.raises(NotFound):
            use(user_id, first.thread.id, left.message.id)
        with pytest.raises(NotFound):
            use(stranger, first.thread.id, right.message.id)
    with pytest.raises(NotFound):
        conversing.entries(stranger, first.thread.id)
    with pytest.raises(NotFound):
        conversing.append(stranger, first.thread.id, [user("Hi")])
