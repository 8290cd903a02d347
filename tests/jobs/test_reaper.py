from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete, select

from app.clock import now
from app.database import reading, transaction
from app.extensions import db, redis, settings
from app.jobs.process import ProcessId
from app.jobs.reaper import Reaper
from app.models import Job, Message, Status
from app.stream import events, log
from app.stream.events import Event
from tests.support import rows
from tests.support.at_once import at_once
from tests.support.broker import wake_ups
from tests.support.locks import jobs_locked
from tests.support.statements import Asked, asked


def orphan(**values: Any) -> UUID:
    return rows.processing(rows.a_lease(-1), **values)


def logged(job_id: UUID) -> list[Event]:
    """What the thread's log has of the job's reply."""
    reply = rows.reply_of(job_id)
    return [e for e in log.read_tail(redis(), str(reply.thread_id)) if e.message_id == str(reply.id)]


def code_of(reply: Message) -> str:
    """The code of the error that it has."""
    assert reply.error is not None
    return str(reply.error["code"])


def write(job_id: UUID, attempt: int, *deltas: tuple[int, str]) -> None:
    """Append deltas to the log as the attempt would."""
    reply = rows.reply_of(job_id)
    made = [
        Event(events.DELTA, str(reply.thread_id), str(reply.id), attempt, {"offset": offset, "text": text})
        for offset, text in deltas
    ]
    log.append(redis(), settings(), made)


def publish_again_in(job_id: UUID) -> float:
    with reading() as session:
        row = session.execute(select(Job.next_publish_at, now()).where(Job.id == job_id)).one()
        return float((row[0] - row[1]).total_seconds())


def test_a_job_whose_worker_died_is_recovered_and_woken(reaper: Reaper) -> None:
    job_id = orphan()
    reaper.pass_once()
    job = rows.job(job_id)
    assert (job.status, job.attempt, job.crashes, job.lease_id) == (Status.PENDING, 1, 1, None)
    assert rows.outcomes(job_id) == {1: "crashed"}
    assert wake_ups(redis()) == [job_id]


def test_a_job_whose_worker_lives_is_left_alone(reaper: Reaper) -> None:
    job_id = rows.processing(rows.a_lease(60))
    reaper.pass_once()
    assert (rows.job(job_id).status, rows.job(job_id).crashes) == (Status.PROCESSING, 0)
    assert wake_ups(redis()) == []


def test_the_lease_of_a_dead_neighbour_lapses_without_waiting_for_its_time(reaper: Reaper) -> None:
    here = ProcessId.of_this()
    lease_id = rows.a_lease(3600, host=here.host, boot_id=here.boot_id, pid=2**22 + 1)
    job_id = rows.processing(lease_id)
    reaper.pass_once()
    assert rows.job(job_id).status is Status.PENDING


def test_after_too_many_crashes_a_reply_fails_with_the_text_it_is_known_to_have(reaper: Reaper) -> None:
    job_id = orphan(attempt=3, crashes=settings().max_crashes - 1, checkpoint="Once upon")
    write(job_id, 2, (0, "Another beginning"))
    write(job_id, 3, (0, "Once"), (4, " upon a"), (11, " time"), (99, "lost"))
    reaper.pass_once()
    job, reply = rows.job(job_id), rows.reply_of(job_id)
    assert (job.status, job.crashes, job.checkpoint) == (Status.FAILED, settings().max_crashes, "")
    assert reply.content == "Once upon a time"
    assert (reply.finish_reason, code_of(reply)) == ("error", "crashed_repeatedly")
    assert rows.outcomes(job_id) == {3: "crashed"}
    last = logged(job_id)[-1]
    assert (last.type, last.fields["message"]["content"]) == (events.FAILED, "Once upon a time")
    assert reply.terminal_cursor == last.cursor
    assert wake_ups(redis()) == []


def test_one_crash_fewer_and_the_job_is_tried_again(reaper: Reaper) -> None:
    job_id = orphan(crashes=settings().max_crashes - 2)
    reaper.pass_once()
    assert rows.job(job_id).status is Status.PENDING


@pytest.mark.parametrize("status", [Status.PENDING, Status.WAITING, Status.REQUIRES_ACTION, Status.PROCESSING])
def test_a_cancel_of_a_job_that_nobody_works_on_ends_it(reaper: Reaper, status: Status) -> None:
    lease_id = rows.a_lease(-1) if status is Status.PROCESSING else None
    wake_at = now(600) if status is Status.WAITING else None
    wish = {"cancel_requested_at": now(), "checkpoint": "Half a"}
    job_id = rows.a_job(status=status, attempt=1, lease_id=lease_id, wake_at=wake_at, **wish)
    write(job_id, 1, (0, "Half a word"))
    reaper.pass_once()
    reply = rows.reply_of(job_id)
    assert rows.job(job_id).status is Status.CANCELLED
    assert (reply.content, reply.finish_reason, reply.error) == ("Half a word", "cancelled", None)
    assert logged(job_id)[-1].type == events.CANCELLED


@pytest.mark.parametrize("status", [Status.PENDING, Status.PROCESSING])
def test_a_deadline_that_nobody_else_keeps_ends_the_reply(reaper: Reaper, status: Status) -> None:
    lease_id = rows.a_lease(-1) if status is Status.PROCESSING else None
    job_id = rows.a_job(status=status, attempt=1, lease_id=lease_id, deadline_at=now(-1))
    reaper.pass_once()
    assert rows.job(job_id).status is Status.FAILED
    assert code_of(rows.reply_of(job_id)) == "deadline_exceeded"


def test_a_deadline_is_the_workers_own_matter_while_it_lives_and_does_not_end_a_wait(reaper: Reaper) -> None:
    working = rows.processing(rows.a_lease(60), deadline_at=now(-1))
    waiting = rows.a_job(status=Status.WAITING, wake_at=now(60), deadline_at=now(-1))
    reaper.pass_once()
    assert (rows.job(working).status, rows.job(waiting).status) == (Status.PROCESSING, Status.WAITING)


def test_a_wait_that_is_over_is_woken_and_no_other(reaper: Reaper) -> None:
    due = rows.a_job(status=Status.WAITING, attempt=1, wake_at=now(-1))
    early = rows.a_job(status=Status.WAITING, attempt=1, wake_at=now(60))
    reaper.pass_once()
    assert (rows.job(due).status, rows.job(early).status) == (Status.PENDING, Status.WAITING)
    assert rows.job(due).wake_at is None
    assert wake_ups(redis()) == [due]


def test_a_lost_wake_up_is_sent_again_less_and_less_often(reaper: Reaper) -> None:
    job_id, later = rows.a_job(next_publish_at=now(-1)), rows.a_job(next_publish_at=now(60))
    pauses = []
    for _ in range(4):
        rows.set_job(job_id, next_publish_at=now(-1))
        reaper.pass_once()
        reaper.pass_once()
        pauses.append(publish_again_in(job_id))
    assert pauses == [pytest.approx(seconds, abs=1) for seconds in (5, 10, 15, 15)]
    assert wake_ups(redis()) == [job_id] * 4
    assert rows.job(job_id).publishes == 4
    assert rows.job(later).publishes == 0


def test_a_job_behind_an_unfinished_one_is_woken_only_after_it(reaper: Reaper) -> None:
    thread_id = rows.a_thread()
    first = rows.a_job(thread_id, status=Status.WAITING, wake_at=now(60))
    second = rows.a_job(thread_id, after_id=first, next_publish_at=now(-1))
    reaper.pass_once()
    assert wake_ups(redis()) == []
    rows.set_job(first, status=Status.COMPLETED)
    reaper.pass_once()
    assert wake_ups(redis()) == [second]


def test_an_end_that_was_not_announced_is_announced_once_and_wakes_its_successor(reaper: Reaper) -> None:
    thread_id = rows.a_thread()
    ended = rows.a_job(thread_id, status=Status.COMPLETED, attempt=1, finished_at=now(-10))
    successor = rows.a_job(thread_id, after_id=ended, next_publish_at=now(60))
    fresh = rows.a_job(status=Status.COMPLETED, finished_at=now(-0.5))
    reaper.pass_once()
    reaper.pass_once()
    [last] = logged(ended)
    assert (last.type, rows.reply_of(ended).terminal_cursor) == (events.COMPLETED, last.cursor)
    assert rows.job(ended).announced_at is not None
    assert wake_ups(redis()) == [successor]
    assert (rows.job(fresh).announced_at, logged(fresh)) == (None, [])


def test_a_row_that_cannot_be_dealt_with_does_not_keep_the_others_waiting(reaper: Reaper) -> None:
    wish = {"cancel_requested_at": now()}
    bad, good, lapsed = rows.a_job(**wish), rows.a_job(**wish), orphan()
    with transaction() as session:
        session.execute(delete(Message).where(Message.job_id == bad))
    reaper.pass_once()
    assert rows.job(good).status is Status.CANCELLED
    assert rows.job(lapsed).status is Status.PENDING
    assert lapsed in wake_ups(redis())


def writes(found: Sequence[Asked]) -> list[str]:
    return [one.statement for one in found if one.statement.split(None, 1)[0] in {"INSERT", "UPDATE", "DELETE"}]


def test_with_nothing_due_a_pass_writes_nothing(reaper: Reaper) -> None:
    rows.processing(rows.a_lease(60))
    rows.a_job(status=Status.WAITING, wake_at=now(60))
    rows.a_job(status=Status.COMPLETED, finished_at=now(-10), announced_at=now(-10))
    rows.a_job(next_publish_at=now(60))
    with asked(db.engine) as found, jobs_locked():
        reaper.pass_once()
    assert found
    assert writes(found) == []
    due = rows.a_job(next_publish_at=now(-1))
    with asked(db.engine) as found:
        reaper.pass_once()
    assert writes(found)
    assert rows.job(due).publishes == 1


def test_overlapping_passes_do_everything_once(app: Flask, reaper: Reaper) -> None:
    lapsed = [orphan() for _ in range(8)]
    crashed = [orphan(crashes=2) for _ in range(8)]
    waits = [rows.a_job(status=Status.WAITING, attempt=1, wake_at=now(-1)) for _ in range(8)]
    lost = [rows.a_job(next_publish_at=now(-1)) for _ in range(8)]
    silent = [rows.a_job(status=Status.COMPLETED, attempt=1, finished_at=now(-10)) for _ in range(8)]
    assert at_once(app, [reaper.pass_once] * 3) == [None] * 3
    assert sorted(wake_ups(redis())) == sorted(lapsed + waits + lost)
    assert {rows.job(id_).crashes for id_ in lapsed} == {1}
    assert {(rows.job(id_).crashes, rows.job(id_).status) for id_ in crashed} == {(3, Status.FAILED)}
    assert [len(logged(id_)) for id_ in crashed + silent] == [1] * 16
    assert all(rows.job(id_).announced_at for id_ in crashed + silent)
    assert {rows.job(id_).publishes for id_ in lapsed + waits + lost} == {1}
