"""Numbered events of replies whose every step the test makes: told live and told again, they are the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete, update

from app.chat import cancelling, finishing, numbered, sending
from app.chat.errors import NotFound
from app.chat.sending import Draft
from app.clock import now
from app.database import transaction
from app.extensions import db, redis
from app.jobs.reaper import Abandoned
from app.models import ApiKey, Message, Status
from app.stream import events, log
from app.stream.hub import Hub
from app.stream.log import Keys
from app.stream.output import Kind
from tests.chat.acting import Acting
from tests.chat.conftest import a_key
from tests.chat.numbered_readers import CLOSED, OPENED, Follow, above, acting, follow, kinds, shapes, told
from tests.support import rows
from tests.support.rows import reply_of
from tests.support.stack import until
from tests.support.statements import asked

__all__ = ["acting", "follow", "told"]


def test_a_reply_is_told_live_and_again_without_any_log(acting: Acting, follow: Follow, told: Any) -> None:
    live = follow(acting.reply_id)
    acting.begin().say("Once ", "upon")
    acting.end()
    assert kinds(live.ended().beats) == [*OPENED, "delta", "delta", *CLOSED]
    assert [beat.number for beat in live.beats] == list(range(2, 11))
    redis().flushdb()
    assert live.shapes == shapes(told(acting.reply_id))
    for after in (-1, 1, 2, 5, 9):
        assert follow(acting.reply_id, after).ended().shapes == above(after, live.shapes)


@pytest.mark.parametrize("after", [2, 4, 5])
def test_who_joins_a_running_reply_is_told_what_is_above_its_number(
    acting: Acting, follow: Follow, told: Any, after: int
) -> None:
    acting.begin().say("a").keep().say("b")
    late = follow(acting.reply_id, after)
    acting.say("c")
    acting.end()
    assert late.ended().shapes == above(after, shapes(told(acting.reply_id)))


def test_the_first_number_leaves_room_for_what_comes_before_the_worker(user_id: UUID, told: Any) -> None:
    for background, first in ((True, 2), (False, 1)):
        sent = sending.send_message(user_id, Draft("hello", parameters={"background": background}))
        assert told(sent.reply.id).output.number == first


def test_a_token_costs_no_look_at_the_database(acting: Acting, follow: Follow) -> None:
    live = follow(acting.reply_id)
    acting.begin().say("first ")
    until(lambda: live.said.endswith("first "), what="the first word")
    with asked(db.engine) as found:
        acting.say(*(f"{number} " for number in range(20)))
        until(lambda: live.said.endswith("19 "), what="the last word")
    assert [one.statement for one in found if one.thread != "hub-look"] == []  # which looks at all streams regularly
    acting.end()
    live.ended()


@pytest.mark.parametrize("kept", [True, False])
def test_a_crash_closes_what_was_begun_and_numbers_go_on_far_above(
    acting: Acting, follow: Follow, told: Any, kept: bool
) -> None:
    live = follow(acting.reply_id)
    acting.begin().say("first ")
    if kept:
        acting.keep()
    acting.say("try").crash().say("second")
    stored = acting.end()
    live.ended()
    assert live.shapes == shapes(told(acting.reply_id))
    numbers = [beat.number for beat in live.beats]
    assert numbers == sorted(set(numbers))
    assert max(numbers) > 1_000_000
    [dropped, stays] = told(acting.reply_id).output.items
    assert (dropped.text, dropped.dropped, dropped.complete) == ("first try", True, False)
    assert (stays.text, stays.dropped, stays.complete) == (stored, False, True)


def test_who_rejoins_after_a_crash_and_a_lost_log_ends_with_the_stored_text(
    acting: Acting, follow: Follow, told: Any
) -> None:
    live = follow(acting.reply_id)
    acting.begin().say("first ").keep().say("try")
    until(lambda: live.said == "first try", what="the first try")
    last = live.beats[-1].number  # now: it may hear of what comes next before anybody joins it
    redis().delete(Keys(str(acting.thread_id)).log)
    acting.crash().say("second")
    late = follow(acting.reply_id, last)
    stored = acting.end()
    assert live.ended().said == f"first try{stored}"
    numbers = [beat.number for beat in live.beats]
    assert numbers == sorted(set(numbers))
    anew = [one for one in live.shapes if one[1] is Kind.DELTA and one[0] > 1_000_000]
    assert [one for one in late.ended().shapes if one[1] is Kind.DELTA] == anew
    assert told(acting.reply_id).output.text == stored


def test_a_hole_in_the_log_is_filled_by_the_next_checkpoint(acting: Acting, follow: Follow, told: Any) -> None:
    acting.begin().say("Once ", "upon ")
    redis().delete(Keys(str(acting.thread_id)).log)
    live = follow(acting.reply_id)
    acting.say("a ", "time")
    assert live.said == ""
    acting.keep()
    until(lambda: live.said == "Once upon a time", what="the whole text")
    acting.end()
    assert live.ended().shapes == shapes(told(acting.reply_id))


def test_what_the_last_attempt_had_told_is_part_of_an_end_by_the_reaper(
    acting: Acting, follow: Follow, told: Any
) -> None:
    live = follow(acting.reply_id)
    acting.begin().say("Once ").keep().say("upon")
    rows.lapse(acting.claim.lease_id)
    finishing.end_abandoned(Abandoned(acting.job_id, 1, "crashed", orphaned=True))
    assert live.ended().shapes == shapes(told(acting.reply_id))
    assert live.said == reply_of(acting.job_id).content == "Once upon"
    assert told(acting.reply_id).output.items[0].complete is False


def test_a_reply_cancelled_before_it_began_only_ends(acting: Acting, follow: Follow, user_id: UUID) -> None:
    live = follow(acting.reply_id)
    cancelling.cancel(user_id, acting.reply_id)
    assert [(beat.number, beat.kind) for beat in live.ended().beats] == [(2, Kind.ENDED)]


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
def test_a_reply_without_a_score_is_told_as_one_that_was_written_at_once(
    acting: Acting, told: Any, follow: Follow, status: Status
) -> None:
    rows.set_job(acting.job_id, status=status, attempt=1, finished_at=now())
    set_message(acting.reply_id, content="old text", completed_at=now(), finish_reason="stop")
    beats = told(acting.reply_id).beats
    assert kinds(beats) == [*OPENED, "delta", *CLOSED]
    assert [beat.text for beat in beats if beat.kind is Kind.DELTA] == ["old text"]
    assert beats[-1].kind is Kind.ENDED
    assert told(acting.reply_id).output.items[0].complete is (status is Status.COMPLETED)
    assert follow(acting.reply_id, 3).ended().shapes == above(3, shapes(told(acting.reply_id)))


def set_message(message_id: UUID, **values: Any) -> None:
    with transaction() as session:
        session.execute(update(Message).where(Message.id == message_id).values(**values))


def test_an_imported_reply_is_told_too_and_a_users_message_is_none(acting: Acting, told: Any) -> None:
    set_message(acting.reply_id, content="imported", job_id=None)
    assert told(acting.reply_id).output.text == "imported"
    with pytest.raises(NotFound):
        told(acting.sent.message.id)


def test_another_users_reply_is_not_found(acting: Acting, hub: Hub) -> None:
    stranger = rows.a_user()
    with pytest.raises(NotFound):
        numbered.read(stranger, acting.reply_id)
    with pytest.raises(NotFound):
        numbered.follow(hub, stranger, a_key(stranger), acting.reply_id, -1)


def test_a_stream_ends_when_its_key_is_revoked(acting: Acting, follow: Follow) -> None:
    acting.begin().say("text")
    live = follow(acting.reply_id)
    with transaction() as session:
        session.execute(delete(ApiKey))
    assert kinds(live.ended().beats) == ["begun", "item added", "part added", "delta"]


def test_a_silent_stream_shows_that_it_lives(acting: Acting, follow: Follow) -> None:
    live = follow(acting.begin().reply_id)
    until(lambda: live.heartbeats >= 3, what="heartbeats")
    acting.end()
    live.ended()


@contextmanager
def cutting(app: Flask) -> Iterator[None]:
    """Subscriptions to Redis are cut again and again."""
    stop = threading.Event()

    def cut() -> None:
        with app.app_context():
            while not stop.wait(0.1):
                redis().client_kill_filter(_type="pubsub")

    thread = threading.Thread(target=cut)
    thread.start()
    yield
    stop.set()
    thread.join(10)


def test_readers_whose_subscription_is_cut_again_and_again_are_told_the_same(
    app: Flask, acting: Acting, follow: Follow, told: Any
) -> None:
    acting.begin().say("begun ")
    readers = [follow(acting.reply_id) for _ in range(3)]
    with cutting(app):
        for number in range(300):
            acting.say(f"w{number} ")
            if number % 50 == 0:
                acting.keep()
        acting.end()
    for reader in readers:
        assert reader.ended().shapes == shapes(told(acting.reply_id))


def test_what_the_log_has_is_numbered_as_the_row_says(acting: Acting, told: Any) -> None:
    acting.begin().say("a", "b").keep().say("c")
    tail = log.read_tail(redis(), str(acting.thread_id))
    numbers = [entry.fields["sequence_number"] for entry in tail if entry.type in {events.PROCESSING, events.DELTA}]
    acting.end()
    starts = [beat.number for beat in told(acting.reply_id).beats if beat.kind in {Kind.BEGUN, Kind.DELTA}]
    assert numbers == [2, 3, 6, 7]
    assert starts == [2, 5, 6, 7]
