"""Redis away, frozen or back empty: readers live on what the database has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from flask import Flask

from app.auth import principal
from app.chat import finishing, following, watching
from app.extensions import redis, settings
from app.ids import new_id
from app.jobs.reaper import Reaper
from app.models import Status
from app.stream import events
from app.stream.hub import Hub
from app.stream.subscription import Interest
from tests.chat.acting import Acting, opened, read
from tests.chat.conftest import a_key
from tests.support import hubs, rows
from tests.support.own_valkey import OwnValkey
from tests.support.shared_app import MakeApp
from tests.support.stack import until


@pytest.fixture
def away(app: Flask, make_app: MakeApp, own_valkey: OwnValkey) -> Iterator[Flask]:
    """An application whose Redis a test may take away, its context pushed."""
    alone = make_app(redis_url=own_valkey.redis_url, redis_timeout_seconds=0.2)
    with alone.app_context():
        yield alone


@pytest.fixture
def fragile(away: Flask) -> Iterator[Hub]:
    """A hub that has its connection: who comes while it connects may be sent a second snapshot."""
    made = Hub(away, settings(), redis(), partial(watching.look, principal.owners))
    with made.subscribe(Interest(str(new_id()), a_key(rows.a_user()))):
        until(lambda: made.connected, what="the connection")
    yield made
    made.close()
    hubs.await_ended()


def test_readers_follow_the_checkpoints_and_get_the_end_while_redis_is_away(
    away: Flask, fragile: Hub, own_valkey: OwnValkey
) -> None:
    user_id = rows.a_user()
    acting = Acting(user_id).begin().say("Once ")
    ids = (fragile, user_id, a_key(user_id))
    streams = [
        opened(following.reply(*ids, acting.reply_id, None)),
        opened(following.thread(*ids, acting.thread_id, None)),
    ]
    own_valkey.lose()
    acting.say("upon ").keep()
    grown = [read(stream, lambda t: t.grown(acting.reply_id) == "Once upon ") for stream in streams]
    assert [taken.types[-1] for taken in grown] == [events.RESET, events.RESET]
    assert [taken.events[-1].cursor for taken in grown] == [None, None]
    newcomer = opened(following.reply(*ids, acting.reply_id, None))
    acting.say("a time").keep()
    stored = acting.end()
    for stream in (*streams, newcomer):
        taken = read(stream, lambda t: t.ended(acting.reply_id))
        assert (taken.text(acting.reply_id), taken.ids[-1]) == (stored, events.END_CURSOR)


def test_an_end_that_redis_missed_is_announced_when_it_is_back(
    away: Flask, fragile: Hub, own_valkey: OwnValkey
) -> None:
    user_id = rows.a_user()
    acting = Acting(user_id).begin().say("all")
    own_valkey.lose()
    acting.end()
    assert rows.job(acting.job_id).announced_at is None
    own_valkey.start_valkey()
    assert finishing.announce(acting.job_id)
    cursor = rows.reply_of(acting.job_id).terminal_cursor
    assert cursor is not None
    assert rows.job(acting.job_id).announced_at is not None
    taken = read(following.thread(fragile, user_id, a_key(user_id), acting.thread_id, cursor), lambda t: t.beats)
    assert events.COMPLETED not in taken.types


def test_a_stream_goes_on_through_a_redis_that_comes_back_empty(
    away: Flask, fragile: Hub, own_valkey: OwnValkey
) -> None:
    user_id = rows.a_user()
    acting = Acting(user_id).begin().say("Once ")
    stream = opened(following.reply(fragile, user_id, a_key(user_id), acting.reply_id, None))
    own_valkey.lose()
    acting.say("upon ").keep()
    own_valkey.start_valkey()
    until(lambda: fragile.connected, what="the connection")
    acting.say("a ", "time")
    taken = read(stream, lambda t: t.grown(acting.reply_id) == "Once upon a time")
    assert taken.reader.gaps == 0
    acting.end()
    assert read(stream).types[-1] == events.COMPLETED


def test_a_post_is_accepted_without_redis_and_its_wake_up_is_sent_later(away: Flask, own_valkey: OwnValkey) -> None:
    own_valkey.lose()
    acting = Acting(rows.a_user())
    assert rows.job(acting.job_id).status is Status.PENDING
    own_valkey.start_valkey()
    rows.set_job(acting.job_id, next_publish_at=rows.job(acting.job_id).created_at)
    Reaper(away, settings(), finishing.end_abandoned, finishing.announce).pass_once()
    assert rows.job(acting.job_id).publishes == 2
    assert redis().llen("replies") == 1
