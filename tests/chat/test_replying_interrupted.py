"""Replies that are stopped while they are written: by a cancel, a drain, a lost lease, a database in trouble."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event, text

from app.chat import cancelling, replying
from app.chat.workshop import Workshop
from app.clock import now
from app.database import transaction
from app.extensions import db, redis
from app.jobs import lifecycle
from app.jobs.reaper import Reaper
from app.models import Status
from app.stream import events, log
from app.stream.events import Event
from tests.chat.conftest import MakeWorkshop
from tests.chat.test_replying import logged, posted, status, written
from tests.support import rows
from tests.support.broker import wake_ups
from tests.support.locks import jobs_locked, table_locked
from tests.support.rows import outcomes, reply_of
from tests.support.stack import until

WORDS = "!delay 0.01\n!words 2000"
WHOLE = " ".join(f"w{number}" for number in range(1, 2001))

Start = Callable[[Workshop, UUID], threading.Thread]


@pytest.fixture
def start(app: Flask) -> Iterator[Start]:
    """Begins a reply in a thread, as a worker does, and waits for its first words."""
    threads = []

    def begin(workshop: Workshop, job_id: UUID) -> threading.Thread:
        def run() -> None:
            with app.app_context():
                replying.process_message(workshop, job_id)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        until(lambda: any(event.type == events.DELTA for event in logged(job_id)), what="the first words")
        return threads[-1]

    yield begin
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_a_cancel_ends_a_running_reply_with_what_it_has(workshop: Workshop, user_id: UUID, start: Start) -> None:
    job_id = posted(user_id, WORDS)
    running = start(workshop, job_id)
    cancelling.cancel(user_id, reply_of(job_id).id)
    running.join(5)
    reply = reply_of(job_id)
    assert (status(job_id), reply.finish_reason, reply.error) == (Status.CANCELLED, "cancelled", None)
    assert reply.content
    assert WHOLE.startswith(reply.content)
    assert reply.usage_estimated
    assert logged(job_id)[-1].type == events.CANCELLED
    assert outcomes(job_id) == {1: "cancelled"}


def test_a_cancel_reaches_a_model_that_says_nothing(workshop: Workshop, user_id: UUID, start: Start) -> None:
    job_id = posted(user_id, "A word\n!silence")
    running = start(workshop, job_id)
    cancelling.cancel(user_id, reply_of(job_id).id)
    running.join(5)
    assert (status(job_id), reply_of(job_id).content) == (Status.CANCELLED, "A word")


@pytest.mark.parametrize("before", [Status.PENDING, Status.WAITING])
def test_a_cancel_of_a_reply_that_nobody_writes_ends_it_at_once(
    workshop: Workshop, user_id: UUID, before: Status
) -> None:
    job_id = posted(user_id, "hello")
    rows.set_job(job_id, status=before, wake_at=now(60) if before is Status.WAITING else None)
    cancelled = cancelling.cancel(user_id, reply_of(job_id).id)
    assert cancelled.status is Status.CANCELLED
    assert written(workshop, job_id).content == ""
    assert cancelling.cancel(user_id, reply_of(job_id).id).status is Status.CANCELLED


def test_a_cancel_changes_nothing_of_a_reply_that_has_ended(workshop: Workshop, user_id: UUID) -> None:
    job_id = posted(user_id, "hello")
    reply = written(workshop, job_id)
    cancelled = cancelling.cancel(user_id, reply.id)
    assert (cancelled.status, cancelled.content) == (Status.COMPLETED, "hello")
    assert rows.job(job_id).cancel_requested_at is None
    assert reply_of(job_id).updated_at == reply.updated_at


def test_a_cancel_of_a_reply_whose_worker_died_is_the_reapers(
    workshop: Workshop, user_id: UUID, reaper: Reaper
) -> None:
    job_id = posted(user_id, "hello")
    rows.set_job(job_id, status=Status.PROCESSING, attempt=1, lease_id=rows.a_lease(-1), checkpoint="Half")
    assert cancelling.cancel(user_id, reply_of(job_id).id).status is Status.PROCESSING
    reaper.pass_once()
    assert (status(job_id), reply_of(job_id).content) == (Status.CANCELLED, "Half")


def told(job_id: UUID, attempt: int) -> list[str]:
    return [entry.type for entry in logged(job_id) if entry.attempt == attempt]


def test_a_drained_worker_hands_its_reply_over_and_the_next_one_begins_anew(
    make_workshop: MakeWorkshop, user_id: UUID, start: Start
) -> None:
    leaving = make_workshop()
    job_id = posted(user_id, WORDS)
    running = start(leaving, job_id)
    redis().delete("replies")
    leaving.presence.drain()
    running.join(5)
    job = rows.job(job_id)
    assert (job.status, job.crashes, job.lease_id) == (Status.PENDING, 0, None)
    assert wake_ups(redis()) == [job_id]
    replying.process_message(leaving, job_id)
    assert rows.job(job_id).attempt == 1
    next_one = start(make_workshop(), job_id)
    until(lambda: len(told(job_id, attempt=2)) > 2, what="the second attempt's first words")
    assert told(job_id, attempt=2)[:3] == [events.RESET, events.PROCESSING, events.DELTA]
    cancelling.cancel(user_id, reply_of(job_id).id)
    next_one.join(5)
    assert outcomes(job_id) == {1: "handed_over", 2: "cancelled"}


def test_a_reply_whose_lease_was_lost_writes_nothing_more(
    workshop: Workshop, user_id: UUID, start: Start, reaper: Reaper
) -> None:
    job_id = posted(user_id, WORDS)
    running = start(workshop, job_id)
    lost = workshop.presence.lease_id
    assert lost is not None
    rows.lapse(lost)
    until(lambda: reaper.pass_once() or status(job_id) is Status.PENDING, what="the recovery")
    other = rows.a_lease()
    with transaction() as session:
        assert lifecycle.claim(session, job_id, other, 60, 3)
    reply = reply_of(job_id)
    first = Event(events.PROCESSING, str(reply.thread_id), str(reply.id), 2)
    log.append(redis(), workshop.settings, [first])
    running.join(10)
    attempts = [event.attempt for event in logged(job_id)]
    assert attempts == [1] * (len(attempts) - 1) + [2]
    job = rows.job(job_id)
    assert (job.status, job.attempt, job.lease_id, job.checkpoint) == (Status.PROCESSING, 2, other, "")
    assert outcomes(job_id) == {1: "crashed", 2: None}


def test_a_mistake_before_the_model_is_asked_fails_the_reply(workshop: Workshop, user_id: UUID) -> None:
    thread_id = rows.a_thread(user_id, settings={"context_tokens": "no number"})
    job_id = posted(user_id, "hello", thread_id=thread_id)
    reply = written(workshop, job_id)
    assert reply.error is not None
    assert (status(job_id), reply.error["code"]) == (Status.FAILED, "internal_error")


def test_a_mistake_while_a_reply_is_written_fails_it_with_what_it_has(
    make_workshop: MakeWorkshop, user_id: UUID
) -> None:
    job_id = posted(user_id, "Said.\n!error 429 retry-after=1")
    reply = written(make_workshop(short_wait_seconds=None), job_id)  # comparing it with a pause is a mistake
    assert reply.error is not None
    assert (status(job_id), reply.content, reply.error["code"]) == (Status.FAILED, "Said.", "internal_error")


def test_a_reply_waits_with_its_end_for_a_database_that_is_busy(
    workshop: Workshop, user_id: UUID, start: Start
) -> None:
    job_id = posted(user_id, "Said\n!wait 0.2\nmore")
    running = start(workshop, job_id)
    with jobs_locked():
        until(lambda: "more" in logged(job_id)[-1].fields.get("text", ""), what="the last words")
        running.join(0.3)
        assert running.is_alive()
    running.join(10)
    assert (status(job_id), reply_of(job_id).content) == (Status.COMPLETED, "Said\nmore")


@contextmanager
def users_unreachable() -> Iterator[None]:
    """What reads users fails as it does when the database is in trouble, while jobs can be written."""
    if db.engine.dialect.name == "sqlite":
        with transaction() as session:
            session.execute(text("ALTER TABLE users RENAME TO hidden"))
        yield
        with transaction() as session:
            session.execute(text("ALTER TABLE hidden RENAME TO users"))
        return
    with table_locked("users"):
        event.listen(db.engine, "checkout", _impatient)
        event.listen(db.engine, "checkin", _patient)
        yield
        event.remove(db.engine, "checkout", _impatient)
    event.remove(db.engine, "checkin", _patient)


def _impatient(connection: Any, *_: object) -> None:
    connection.execute("SET lock_timeout = '50ms'")


def _patient(connection: Any, *_: object) -> None:
    connection.execute("SET lock_timeout = '20s'")  # a worker's, as before


def test_a_reply_that_cannot_be_gathered_because_of_the_database_is_handed_over(
    workshop: Workshop, user_id: UUID
) -> None:
    job_id = posted(user_id, "hello")
    with users_unreachable():
        replying.process_message(workshop, job_id)
        job = rows.job(job_id)
        assert (job.status, job.crashes, job.attempt) == (Status.PENDING, 0, 1)
    assert written(workshop, job_id).content == "hello"
    assert outcomes(job_id) == {1: "handed_over", 2: "completed"}


def test_a_claim_whose_outcome_was_never_learnt_is_recovered_by_its_own_process(
    workshop: Workshop, user_id: UUID, reaper: Reaper
) -> None:
    job_id = posted(user_id, "hello")
    lease_id = workshop.presence.lease_id
    assert lease_id is not None
    with transaction() as session:
        assert lifecycle.claim(session, job_id, lease_id, 60, 3)
    until(lambda: reaper.pass_once() or status(job_id) is Status.PENDING, what="the recovery")
    assert written(workshop, job_id).content == "hello"
