from __future__ import annotations

import time

import pytest
from flask import Flask
from redis import Redis

from app.chat import finishing
from app.clock import now
from app.database import reading
from app.extensions import celery, redis, settings
from app.jobs import queue
from app.jobs.reaper import Reaper
from app.models import Status
from tests.support import rows
from tests.support.at_once import at_once
from tests.support.broker import wake_ups
from tests.support.own_valkey import OwnValkey
from tests.support.shared_app import MakeApp

QUICKLY = 2.5


@pytest.fixture
def alone(app: Flask, make_app: MakeApp, own_valkey: OwnValkey) -> Flask:
    """A worker's application on a broker of the test's own; its context is not pushed."""
    return make_app(redis_url=own_valkey.redis_url)


def published() -> tuple[bool, float]:
    """Whether a wake-up was sent, and in how many seconds that was known."""
    began = time.monotonic()
    sent = queue.publish(rows.a_job(), rows.TASK, queue.REPLIES)
    return sent, time.monotonic() - began


def test_a_wake_up_names_its_job_and_nothing_else(app: Flask) -> None:
    job_id = rows.a_job()
    assert queue.publish(job_id, rows.TASK, queue.REPLIES)
    assert wake_ups(redis()) == [job_id]
    [message] = redis().lrange("replies", 0, -1)
    assert rows.TASK in message
    assert celery.conf.task_serializer == "json"


def test_further_wake_ups_need_neither_a_new_client_nor_a_new_connection(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = [rows.a_job() for _ in range(4)]
    assert queue.publish(first, rows.TASK, queue.REPLIES)
    connections = redis().info("stats")["total_connections_received"]
    made: list[Redis] = []
    monkeypatch.setattr(Redis, "__init__", lambda client, **_: made.append(client))
    assert [queue.publish(job_id, rows.TASK, queue.REPLIES) for job_id in others] == [True] * 3
    assert (made, redis().info("stats")["total_connections_received"]) == ([], connections)
    assert set(wake_ups(redis())) == {first, *others}


def test_a_broker_that_is_gone_is_noticed_quickly_and_found_again(alone: Flask, own_valkey: OwnValkey) -> None:
    with alone.app_context():
        assert published()[0]
        own_valkey.lose()
        for _ in range(2):
            sent, seconds = published()
            assert not sent
            assert seconds < QUICKLY
        own_valkey.start_valkey()
        assert published()[0]


def test_a_frozen_broker_is_noticed_quickly_and_used_again(alone: Flask, own_valkey: OwnValkey) -> None:
    with alone.app_context():
        assert published()[0]
        own_valkey.freeze()
        sent, seconds = published()
        assert not sent
        assert seconds < QUICKLY
        own_valkey.thaw()
        assert published()[0]


def test_a_pass_of_the_reaper_does_not_wait_once_for_each_row_while_redis_is_frozen(
    alone: Flask, own_valkey: OwnValkey
) -> None:
    with alone.app_context():
        reaper = Reaper(alone, settings(), finishing.end_abandoned, finishing.announce)
        for _ in range(20):
            rows.a_job(next_publish_at=now(-1))
            rows.a_job(status=Status.COMPLETED, finished_at=now(-10))
        own_valkey.freeze()
        began = time.monotonic()
        reaper.pass_once()
        assert time.monotonic() - began < 2 * QUICKLY
        own_valkey.thaw()


def test_several_processes_share_what_is_due_and_send_each_wake_up_once(app: Flask) -> None:
    due = [rows.a_job(next_publish_at=now(-1)) for _ in range(30)]
    rows.a_job(next_publish_at=now(60))
    rows.a_job(status=Status.COMPLETED, next_publish_at=now(-1))
    sent = [count for count in at_once(app, [queue.publish_ready] * 4) if isinstance(count, int)]
    assert (len(sent), sum(sent)) == (4, len(due))
    assert sorted(wake_ups(redis())) == sorted(due)
    assert {rows.job(job_id).publishes for job_id in due} == {1}


def test_no_more_than_the_limit_is_sent_and_the_longest_waiting_first(app: Flask) -> None:
    late, early = rows.a_job(next_publish_at=now(-1)), rows.a_job(next_publish_at=now(-5))
    assert queue.publish_ready(limit=1) == 1
    assert wake_ups(redis()) == [early]
    assert queue.publish_ready() == 1
    assert wake_ups(redis()) == [early, late]


def test_an_end_wakes_only_the_pending_jobs_behind_it(app: Flask) -> None:
    thread_id = rows.a_thread()
    first = rows.a_job(thread_id, status=Status.COMPLETED)
    second = rows.a_job(thread_id, after_id=first)
    rows.a_job(thread_id, after_id=first, status=Status.CANCELLED)
    rows.a_job(thread_id, after_id=second)
    with reading() as session:
        [freed] = queue.successors(session, first)
    assert (freed.id, freed.queue) == (second, queue.REPLIES)
