from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from app.chat import following
from app.chat.errors import NotFound
from app.chat.following import Ended
from app.clock import now
from app.database import transaction
from app.extensions import redis
from app.models import Message, Status
from app.stream import events, log
from app.stream.events import END_CURSOR, Event
from app.stream.hub import Hub
from app.stream.log import Keys
from tests.chat.acting import Acting, Taken, opened, read
from tests.chat.conftest import a_key
from tests.support import rows
from tests.support.stack import until


class Follow:
    """Opens streams of replies as one user with one key."""

    def __init__(self, hub: Hub, user_id: UUID, credential: str) -> None:
        self.hub, self.user_id, self.credential = hub, user_id, credential

    def __call__(self, reply_id: UUID, after: str | None = None) -> Iterator[Event | None] | Ended:
        return following.reply(self.hub, self.user_id, self.credential, reply_id, after)


@pytest.fixture
def acting(user_id: UUID) -> Acting:
    return Acting(user_id)


@pytest.fixture
def follow(hub: Hub, user_id: UUID) -> Follow:
    return Follow(hub, user_id, a_key(user_id))


def test_a_stream_begins_with_the_text_so_far_goes_on_live_and_closes_after_the_end(
    acting: Acting, follow: Follow
) -> None:
    acting.begin().say("Once ", "upon ")
    stream = opened(follow(acting.reply_id))
    acting.say("a ", "time")
    stored = acting.end()
    taken = read(stream)
    assert taken.types == [events.RESET, events.DELTA, events.DELTA, events.COMPLETED]
    assert taken.grown(acting.reply_id) == taken.text(acting.reply_id) == stored == "Once upon a time"
    assert taken.reader.ordered
    assert rows.reply_of(acting.job_id).terminal_cursor == taken.ids[-1]


def test_a_reader_may_come_before_the_reply_is_claimed(acting: Acting, follow: Follow) -> None:
    stream = opened(follow(acting.reply_id))
    acting.begin().say("text")
    acting.end()
    taken = read(stream)
    assert taken.types == [events.RESET, events.PROCESSING, events.DELTA, events.COMPLETED]


def test_after_each_cursor_comes_exactly_the_rest(acting: Acting, follow: Follow) -> None:
    acting.begin().say("a", "b", "c").crash().say("d", "e")
    tail = log.read_tail(redis(), str(acting.thread_id))
    whole = [event for event in tail if event.message_id == str(acting.reply_id)]
    assert len(whole) == 9
    for position, event in enumerate(whole):
        taken = read(follow(acting.reply_id, event.cursor), lambda t: t.beats)
        assert taken.events == whole[position + 1 :]


@pytest.mark.parametrize("after", ["", "garbage", "0-0", "end", "9999999999999-0", "99999999999999999999-1", "\x00"])
def test_after_a_cursor_that_is_not_in_the_log_comes_the_whole_text(acting: Acting, follow: Follow, after: str) -> None:
    acting.begin().say("a", "b")
    taken = read(follow(acting.reply_id, after), lambda t: t.events)
    assert (taken.types, taken.text(acting.reply_id)) == ([events.RESET], "ab")


def test_after_a_cursor_of_another_thread_comes_the_whole_text(acting: Acting, follow: Follow, user_id: UUID) -> None:
    other = Acting(user_id).begin().say("x", "secret")
    acting.begin().say("ab")
    foreign = log.read_tail(redis(), str(other.thread_id))[-1].cursor
    taken = read(follow(acting.reply_id, foreign), lambda t: t.events)
    assert (taken.types, taken.text(acting.reply_id)) == ([events.RESET], "ab")


def test_a_finished_reply_answers_with_its_end_or_with_nothing_to_who_has_that_already(
    acting: Acting, follow: Follow
) -> None:
    acting.begin().say("done")
    acting.end()
    cursor = rows.reply_of(acting.job_id).terminal_cursor
    for after in (None, "garbage", "0-0"):
        ended = follow(acting.reply_id, after)
        assert isinstance(ended, Ended)
        assert ended.last is not None
        assert (ended.last.type, ended.last.cursor) == (events.COMPLETED, cursor)
    assert follow(acting.reply_id, cursor) == follow(acting.reply_id, END_CURSOR) == Ended(None)


def test_who_has_the_end_before_the_row_names_its_place_gets_it_once(acting: Acting, follow: Follow) -> None:
    acting.begin().say("done")
    acting.end()
    cursor = rows.reply_of(acting.job_id).terminal_cursor
    with transaction() as session:
        session.execute(update(Message).where(Message.job_id == acting.job_id).values(terminal_cursor=None))
    assert follow(acting.reply_id, cursor) == Ended(None)
    assert follow(acting.reply_id, "0-0") != Ended(None)


def test_an_end_that_no_log_has_is_called_end(acting: Acting, follow: Follow) -> None:
    rows.set_job(acting.job_id, status=Status.FAILED, finished_at=now())
    ended = follow(acting.reply_id)
    assert isinstance(ended, Ended)
    assert ended.last is not None
    assert (ended.last.type, ended.last.cursor) == (events.FAILED, END_CURSOR)


def test_another_users_reply_is_not_found_whatever_the_cursor(acting: Acting, hub: Hub) -> None:
    stranger = rows.a_user()
    for after in (None, "garbage", END_CURSOR):
        with pytest.raises(NotFound):
            following.reply(hub, stranger, a_key(stranger), acting.reply_id, after)


def test_a_silent_stream_shows_that_it_lives(acting: Acting, follow: Follow) -> None:
    acting.begin()
    assert read(follow(acting.reply_id), lambda t: t.beats >= 3).types == [events.RESET]


def test_a_waiting_reply_says_so_and_until_when(acting: Acting, follow: Follow) -> None:
    rows.set_job(acting.job_id, status=Status.WAITING, attempt=1, wake_at=now(60))
    taken = read(follow(acting.reply_id), lambda t: len(t.events) == 2)
    assert taken.types == [events.RESET, events.WAITING]
    assert taken.events[1].fields["wake_at"]


def test_a_reader_of_a_crashed_attempt_goes_on_with_the_next_one(acting: Acting, follow: Follow) -> None:
    stream = opened(follow(acting.begin().say("first ", "try").reply_id))
    acting.crash().say("second")
    acting.end()
    taken = read(stream)
    assert taken.grown(acting.reply_id) == "second"
    assert taken.types[-4:] == [events.RESET, events.PROCESSING, events.DELTA, events.COMPLETED]


@pytest.mark.parametrize("harm", ["delete", "xtrim"])
def test_a_log_lost_under_its_readers_costs_them_nothing(acting: Acting, follow: Follow, harm: str) -> None:
    acting.begin().say("Once ")
    stream = opened(follow(acting.reply_id))
    before = log.read_tail(redis(), str(acting.thread_id))[-1].cursor
    log_key = Keys(str(acting.thread_id)).log
    redis().delete(log_key) if harm == "delete" else redis().xtrim(log_key, maxlen=0, approximate=False)
    acting.say("upon ", "a ")
    newcomer, returning = opened(follow(acting.reply_id)), opened(follow(acting.reply_id, before))
    acting.keep().say("time")
    stored = acting.end()
    for taken in (read(stream), read(newcomer), read(returning)):
        assert taken.text(acting.reply_id) == stored == "Once upon a time"
        assert taken.reader.gaps == 0


def test_a_hole_in_the_log_is_filled_by_the_next_checkpoint(acting: Acting, follow: Follow) -> None:
    acting.begin().say("Once ", "upon ")
    redis().delete(Keys(str(acting.thread_id)).log)
    acting.say("a ")
    stream = opened(follow(acting.reply_id))
    acting.say("time")
    acting.keep()
    taken = read(stream, lambda t: t.grown(acting.reply_id) == "Once upon a time")
    assert taken.reader.gaps == 0
    acting.end()
    assert read(stream).types[-1] == events.COMPLETED


def test_a_reader_cut_where_text_is_missing_does_not_resume_behind_it(acting: Acting, follow: Follow) -> None:
    acting.begin().say("Once ", "upon ")
    redis().delete(Keys(str(acting.thread_id)).log)
    acting.say("a ")
    stream = follow(acting.reply_id)
    first = read(stream, lambda t: t.events)
    stream.close()
    assert (first.types, first.ids) == ([events.RESET], [])
    stream = opened(follow(acting.reply_id, next(iter(first.ids), None)))
    acting.say("time")
    acting.keep()
    acting.say(" there was")
    for item in read(stream, lambda t: t.grown(acting.reply_id).endswith("was")).events:
        first.take(item)
    assert first.reader.gaps == 0
    assert first.grown(acting.reply_id) == "Once upon a time there was"
    acting.say(", they say")
    assert read(stream, lambda t: t.events).ids  # now that all text is there


def test_readers_that_come_at_any_moment_end_with_the_stored_text(app: Flask, acting: Acting, follow: Follow) -> None:
    acting.begin()

    def join(number: int) -> Taken:
        with app.app_context():
            until(lambda: len(acting.writer.text) >= number * 60, what="more text")
            return read(follow(acting.reply_id))

    with ThreadPoolExecutor(8) as pool:
        joining = [pool.submit(join, number) for number in range(8)]
        for number in range(250):
            acting.say(f"w{number} ")
            if number % 20 == 0:
                acting.keep()
        stored = acting.end()
        results = [future.result(20) for future in joining]
    for taken in results:
        assert taken.grown(acting.reply_id) == taken.text(acting.reply_id) == stored
        assert (taken.reader.gaps, taken.reader.ordered) == (0, True)
        assert taken.reader.replies[str(acting.reply_id)].resets == 1


def test_readers_whose_subscription_is_cut_again_and_again_miss_and_repeat_nothing(
    app: Flask, acting: Acting, follow: Follow
) -> None:
    acting.begin().say("begun ")
    stop = threading.Event()

    def cut() -> None:
        with app.app_context():
            while not stop.wait(0.1):
                redis().client_kill_filter(_type="pubsub")

    def write() -> None:
        with app.app_context():
            for number in range(400):
                acting.say(f"w{number} ")
            acting.end()
            stop.set()

    stream = opened(follow(acting.reply_id))
    threads = [threading.Thread(target=cut), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    taken = read(stream, seconds=30)
    for thread in threads:
        thread.join(30)
    assert taken.grown(acting.reply_id) == taken.text(acting.reply_id) == acting.writer.text
    assert taken.types.count(events.DELTA) == 400
    assert (taken.reader.gaps, taken.reader.ordered) == (0, True)


def test_waiting_for_a_reply_answers_at_its_end_or_when_the_time_is_up(
    app: Flask, acting: Acting, hub: Hub, user_id: UUID
) -> None:
    acting.begin().say("partial").keep()
    early = following.wait(hub, user_id, a_key(user_id), acting.reply_id, 0.1)
    assert (early.status, early.content) == (Status.PROCESSING, "partial")

    def end() -> None:
        with app.app_context():
            acting.end()

    ending = threading.Timer(0.1, end)
    ending.start()
    late = following.wait(hub, user_id, a_key(user_id), acting.reply_id, 20)
    ending.join(10)
    assert (late.status, late.content) == (Status.COMPLETED, "partial")
