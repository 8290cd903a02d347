from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from app.chat import branching, following, sending, threads
from app.chat.errors import NotFound
from app.chat.sending import Draft
from app.clock import now
from app.database import transaction
from app.extensions import redis
from app.jobs import lifecycle
from app.models import ApiKey, Status, Thread
from app.stream import events, log
from app.stream.events import Event
from app.stream.hub import Hub
from app.stream.log import Keys
from tests.chat.acting import Acting, Taken, opened, read
from tests.chat.conftest import a_key
from tests.support import rows

Follow = Callable[..., Iterator[Event | None]]


@pytest.fixture
def acting(user_id: UUID) -> Acting:
    return Acting(user_id)


@pytest.fixture
def follow(hub: Hub, user_id: UUID) -> Follow:
    credential = a_key(user_id)
    return lambda thread_id, after=None: following.thread(hub, user_id, credential, thread_id, after)


def shown(taken: Taken) -> list[str]:
    """The contents of the snapshot."""
    return [message["content"] for message in taken.events[0].fields["messages"]]


def test_a_thread_opens_with_what_is_in_it_and_goes_on_with_what_happens(acting: Acting, follow: Follow) -> None:
    acting.begin().say("Once ", "upon ")
    stream = opened(follow(acting.thread_id))
    acting.say("a time")
    acting.end()
    taken = read(stream, lambda t: events.THREAD_UPDATED in t.types)
    assert taken.types == [events.THREAD_SNAPSHOT, events.DELTA, events.COMPLETED, events.THREAD_UPDATED]
    assert shown(taken) == ["hello", "Once upon "]
    number = taken.events[1].fields["sequence_number"]
    assert taken.events[1].fields == {"offset": len("Once upon "), "text": "a time", "sequence_number": number}
    assert taken.events[0].fields["cursor"] == taken.ids[0]
    assert taken.reader.ordered


def test_a_queued_message_that_is_edited_is_told_of_again(acting: Acting, user_id: UUID, follow: Follow) -> None:
    queued = sending.send_message(user_id, Draft("more", acting.thread_id))
    stream = opened(follow(acting.thread_id))
    branching.edit(user_id, queued.message.id, "much more")
    taken = read(stream, lambda t: events.CREATED in t.types)
    assert (
        next(event.fields["message"]["content"] for event in taken.events if event.type == events.CREATED)
        == "much more"
    )


def test_from_the_cursor_of_a_snapshot_nothing_is_missed_and_nothing_repeated(acting: Acting, follow: Follow) -> None:
    acting.begin().say("Once ")
    cursor = read(follow(acting.thread_id), lambda t: t.events).events[0].fields["cursor"]
    acting.say("upon ", "a time")
    taken = read(follow(acting.thread_id, cursor), lambda t: t.beats)
    assert [event.fields["text"] for event in taken.events] == ["upon ", "a time"]


def test_a_snapshot_without_all_text_has_no_cursor_to_resume_from(acting: Acting, follow: Follow) -> None:
    acting.begin().say("Once ", "upon ")
    redis().delete(Keys(str(acting.thread_id)).log)
    acting.say("a ")
    stream = opened(follow(acting.thread_id))
    acting.writer.send(events.WAITING, {"wake_at": None, "reason": "of a look at what follows"})
    taken = read(stream, lambda t: events.WAITING in t.types)
    assert taken.ids == []
    assert taken.events[0].fields["cursor"] is None
    acting.keep().say("time")
    assert read(stream, lambda t: t.grown(acting.reply_id) == "Once upon a time").ids == []
    acting.say(" there was")
    assert read(stream, lambda t: t.events).ids


def test_messages_posted_while_a_thread_is_being_opened_are_in_its_snapshot_or_follow(
    app: Flask, user_id: UUID, acting: Acting, follow: Follow
) -> None:
    posted: list[str] = []

    def post() -> None:
        with app.app_context():
            for number in range(15):
                sending.send_message(user_id, Draft(f"number {number}", acting.thread_id))
                posted.append(f"number {number}")

    def known(taken: Taken) -> set[str]:
        created = [e.fields["message"]["content"] for e in taken.events if e.type == events.CREATED]
        return {text for text in shown(taken) + created if text.startswith("number")}

    poster = threading.Thread(target=post)
    poster.start()
    streams = []
    while poster.is_alive():
        streams.append(opened(follow(acting.thread_id)))
    poster.join()
    assert len(streams) > 1
    for stream in streams:
        taken = read(stream, lambda t: known(t) == set(posted))
        assert taken.reader.ordered


def test_a_reply_of_a_branch_that_is_not_shown_comes_whole_before_it_goes_on(acting: Acting, follow: Follow) -> None:
    acting.begin().say("Once ")
    with transaction() as session:
        elsewhere = update(Thread).where(Thread.id == acting.thread_id).values(active_message_id=acting.sent.message.id)
        session.execute(elsewhere)
    stream = opened(follow(acting.thread_id))
    acting.say("upon ", "a time")
    taken = read(stream, lambda t: t.grown(acting.reply_id) == "Once upon a time")
    assert shown(taken) == ["hello"]
    assert taken.types[1] == events.RESET
    assert taken.reader.gaps == 0


def test_a_thread_stream_tells_of_several_replies_one_after_the_other(
    acting: Acting, follow: Follow, user_id: UUID
) -> None:
    stream = opened(follow(acting.thread_id))
    acting.begin().say("one")
    acting.end()
    second = Acting(user_id, acting.thread_id).begin().say("two")
    second.end()
    taken = read(stream, lambda t: t.ended(second.reply_id))
    assert (taken.grown(acting.reply_id), taken.grown(second.reply_id)) == ("one", "two")


def test_an_end_found_by_a_look_has_an_id_that_nobody_can_resume_from(acting: Acting, follow: Follow) -> None:
    acting.begin().say("text")
    stream = opened(follow(acting.thread_id))
    with transaction() as session:
        assert lifecycle.finish(session, acting.claim, Status.COMPLETED)
    taken = read(stream, lambda t: t.ended(acting.reply_id))
    assert taken.ids[-1] == events.END_CURSOR
    again = read(follow(acting.thread_id, events.END_CURSOR), lambda t: t.events)
    assert again.types == [events.THREAD_SNAPSHOT]


def test_a_thread_nobody_may_see_is_not_found(acting: Acting, hub: Hub, user_id: UUID) -> None:
    stranger = rows.a_user()
    with pytest.raises(NotFound):
        following.thread(hub, stranger, a_key(stranger), acting.thread_id, "garbage")
    threads.delete(user_id, acting.thread_id)
    with pytest.raises(NotFound):
        following.thread(hub, user_id, a_key(user_id), acting.thread_id, None)


def revoke(credential: str) -> None:
    with transaction() as session:
        id_ = UUID(credential.partition(":")[2])
        session.execute(update(ApiKey).where(ApiKey.id == id_).values(revoked_at=now()))


def test_streams_of_a_revoked_key_close_and_others_go_on(acting: Acting, hub: Hub, user_id: UUID) -> None:
    first, second = a_key(user_id), a_key(user_id)
    acting.begin().writer.settle(5)
    closing = [
        opened(following.thread(hub, user_id, first, acting.thread_id, None)),
        opened(following.reply(hub, user_id, first, acting.reply_id, None)),
    ]
    staying = opened(following.thread(hub, user_id, second, acting.thread_id, None))
    revoke(first)
    for stream in closing:
        assert len(read(stream, seconds=5).events) == 1
    acting.say("still here")
    assert read(staying, lambda t: events.DELTA in t.types)


def test_the_streams_of_a_deleted_thread_close(acting: Acting, follow: Follow, hub: Hub, user_id: UUID) -> None:
    acting.begin()
    stream = opened(follow(acting.thread_id))
    threads.delete(user_id, acting.thread_id)
    read(stream, seconds=5)


def test_a_reader_that_leaves_leaves_no_subscription(acting: Acting, follow: Follow, hub: Hub) -> None:
    streams = [opened(follow(acting.thread_id)) for _ in range(3)]
    for stream in streams:
        next(stream)
    assert hub.readers == 3
    for stream in streams:
        stream.close()
    assert hub.readers == 0


def test_closing_the_hub_ends_the_streams(acting: Acting, follow: Follow, hub: Hub) -> None:
    stream = opened(follow(acting.thread_id))
    hub.close()
    assert read(stream).types == [events.THREAD_SNAPSHOT]


def test_notices_reach_readers_and_the_log_alike(acting: Acting, follow: Follow, user_id: UUID) -> None:
    stream = opened(follow(acting.thread_id))
    threads.change(user_id, acting.thread_id, {"title": "New title"})
    taken = read(stream, lambda t: events.THREAD_UPDATED in t.types)
    assert taken.events[-1].fields["thread"]["title"] == "New title"
    assert log.read_tail(redis(), str(acting.thread_id))[-1] == taken.events[-1]
