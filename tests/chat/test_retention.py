from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import ColumnElement, func, insert, select

from app.chat import finishing, retention, threads
from app.clock import now
from app.database import reading, transaction
from app.extensions import Base, redis, settings
from app.jobs.reaper import Reaper
from app.models import Attempt, IdempotencyKey, Job, LoginSession, Message, Status, Thread, WorkerLease
from app.stream import log
from app.stream.events import Event
from tests.chat.acting import Acting
from tests.support import rows
from tests.support.own_valkey import OwnValkey
from tests.support.shared_app import MakeApp


def count(table: type[Base], *conditions: ColumnElement[bool]) -> int:
    with reading() as session:
        return session.scalars(select(func.count()).select_from(table).where(*conditions)).one()


def left_of(thread_id: UUID) -> list[int]:
    """How many threads, messages, jobs, attempts and keys in Redis remain of a thread."""
    jobs = select(Job.id).where(Job.thread_id == thread_id)
    return [
        count(Thread, Thread.id == thread_id),
        count(Message, Message.thread_id == thread_id),
        count(Job, Job.thread_id == thread_id),
        count(Attempt, Attempt.job_id.in_(jobs)),
        len(redis().keys(f"*{thread_id}*")),
    ]


def test_a_deleted_thread_goes_with_all_its_rows_and_its_log(user_id: UUID) -> None:
    deleted, kept = Acting(user_id).begin().say("one"), Acting(user_id).begin().say("two")
    for acting in (deleted, kept):
        acting.end()
    threads.delete(user_id, deleted.thread_id)
    assert left_of(deleted.thread_id) == [1, 2, 1, 1, 2]
    retention.clean_up()
    assert left_of(deleted.thread_id) == [0, 0, 0, 0, 0]
    assert left_of(kept.thread_id) == [1, 2, 1, 1, 2]
    assert count(Attempt) == 1


def test_a_thread_in_which_something_runs_stays_until_it_has_ended(app: Flask, user_id: UUID) -> None:
    acting = Acting(user_id).begin().say("on my way")
    threads.delete(user_id, acting.thread_id)
    retention.clean_up()
    assert left_of(acting.thread_id) == [1, 2, 1, 1, 2]
    rows.lapse(acting.claim.lease_id)
    Reaper(app, settings(), finishing.end_abandoned, finishing.announce).pass_once()
    assert rows.job(acting.job_id).status is Status.CANCELLED
    assert rows.reply_of(acting.job_id).content == "on my way"
    retention.clean_up()
    assert left_of(acting.thread_id) == [0, 0, 0, 0, 0]


def test_a_deleted_threads_waiting_replies_are_cancelled_with_it(user_id: UUID) -> None:
    first = Acting(user_id).begin()
    second = Acting(user_id, first.thread_id)
    threads.delete(user_id, first.thread_id)
    assert rows.job(second.job_id).status is Status.CANCELLED
    assert rows.job(first.job_id).cancel_requested_at is not None


def test_without_redis_the_rows_go_all_the_same(app: Flask, make_app: MakeApp, own_valkey: OwnValkey) -> None:
    user_id = rows.a_user()
    thread_id = rows.a_thread(user_id, deleted_at=now())
    with make_app(redis_url=own_valkey.redis_url, redis_timeout_seconds=0.2).app_context():
        log.append(redis(), settings(), [Event("x", str(thread_id))])
        own_valkey.lose()
        retention.clean_up()
    assert count(Thread, Thread.id == thread_id) == 0


@pytest.mark.parametrize(("age", "left"), [(-3 * 86_400, 0), (-86_400, 1)])
def test_keys_of_repeated_requests_are_kept_for_more_than_a_day(user_id: UUID, age: float, left: int) -> None:
    with transaction() as session:
        values = {"user_id": user_id, "key": "k", "fingerprint": "f", "created_at": now(age)}
        session.execute(insert(IdempotencyKey).values(**values))
    retention.clean_up()
    assert count(IdempotencyKey) == left


def test_ended_sign_ins_and_leases_long_lapsed_go(user_id: UUID) -> None:
    with transaction() as session:
        for seconds in (-1, 60):
            session.execute(insert(LoginSession).values(user_id=user_id, expires_at=now(seconds)))
    rows.a_lease(-100_000)
    alive = rows.a_lease(60)
    retention.clean_up()
    assert count(LoginSession) == 1
    with reading() as session:
        assert session.scalars(select(WorkerLease.id)).all() == [alive]
