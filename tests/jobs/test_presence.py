from __future__ import annotations

import threading
from uuid import UUID

import pytest
from flask import Flask

from app.clock import now
from app.database import transaction
from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.jobs.presence import Presence
from app.jobs.process import ProcessId
from app.jobs.reaper import Reaper
from app.jobs.run import Run, Stop
from app.models import Status
from tests.jobs.conftest import MakePresence
from tests.jobs.test_lease import lives, seconds_left
from tests.support import rows
from tests.support.locks import table_locked
from tests.support.stack import until


def claim(presence: Presence, job_id: UUID | None = None, seconds: float = 60) -> Claim:
    lease_id, job_id = presence.lease_id, job_id or rows.a_job()
    assert lease_id is not None
    with transaction() as session:
        claimed = lifecycle.claim(session, job_id, lease_id, seconds, 3)
    assert claimed is not None
    return claimed


def stopped(run: Run) -> Stop:
    found: Stop = until(lambda: run.why, what="the stop")
    return found


def test_a_process_takes_a_lease_and_keeps_renewing_it(presence: Presence) -> None:
    lease_id = presence.lease_id
    assert lease_id is not None
    rows.set_lease(lease_id, expires_at=now(5))
    until(lambda: seconds_left(lease_id) > 50, what="a renewal")
    assert presence.holds(lease_id)
    assert presence.lease_id == lease_id


def test_a_starting_process_frees_what_a_dead_predecessor_held(make_presence: MakePresence) -> None:
    here = ProcessId.of_this()
    left_over = rows.a_lease(host=here.host, boot_id=here.boot_id, pid=2**22 + 1, pid_started=1.0)
    job_id = rows.processing(left_over)
    make_presence()
    assert not lives(left_over)
    with transaction() as session:
        assert lifecycle.recover(session, job_id, 1)


def test_a_wish_to_cancel_reaches_its_run_through_the_row(presence: Presence) -> None:
    with presence.running(claim(presence)) as wanted, presence.running(claim(presence)) as other:
        with transaction() as session:
            assert lifecycle.request_cancel(session, wanted.claim.job_id)
        assert stopped(wanted) is Stop.CANCELLED
        assert other.why is None


def test_a_cancel_by_signal_reaches_only_its_run(presence: Presence) -> None:
    with presence.running(claim(presence)) as wanted, presence.running(claim(presence)) as other:
        presence.cancel(wanted.claim.job_id)
        presence.cancel(rows.a_job())
        assert (wanted.why, other.why) == (Stop.CANCELLED, None)


def test_draining_hands_over_what_runs_and_what_comes_too_late(presence: Presence) -> None:
    with presence.running(claim(presence)) as running:
        presence.drain()
        assert running.why is Stop.HANDED_OVER
        with presence.running(claim(presence)) as late:
            assert late.why is Stop.HANDED_OVER


def test_a_run_past_its_deadline_is_stopped(presence: Presence) -> None:
    with presence.running(claim(presence, seconds=0.1)) as late, presence.running(claim(presence)) as other:
        assert stopped(late) is Stop.DEADLINE
        assert other.why is None


def test_a_lapsed_lease_stops_its_runs_and_a_new_one_does_not_revive_them(presence: Presence) -> None:
    with presence.running(claim(presence)) as run:
        lapsed = run.claim.lease_id
        rows.lapse(lapsed)
        assert stopped(run) is Stop.LOST
        lease_id = until(lambda: presence.lease_id if presence.lease_id != lapsed else None, what="a new lease")
        until(lambda: presence.holds(lease_id), what="the new lease's time")
        assert not presence.holds(lapsed)
        with presence.running(claim(presence)) as new:
            assert new.why is None


def test_a_run_whose_lease_was_replaced_before_it_began_is_lost_at_once(presence: Presence) -> None:
    claimed = claim(presence)
    rows.lapse(claimed.lease_id)
    until(lambda: presence.lease_id != claimed.lease_id, what="a new lease")
    with presence.running(claimed) as run:
        assert run.why is Stop.LOST


def test_a_process_cut_off_from_its_database_falls_silent_before_its_lease_lapses(make_presence: MakePresence) -> None:
    presence = make_presence(lease_seconds=0.4)
    lease_id = presence.lease_id
    assert lease_id is not None
    with presence.running(claim(presence)) as run:
        with table_locked("worker_leases"):
            until(lambda: not presence.holds(lease_id), 5, "silence")
        assert stopped(run) is Stop.LOST
    until(lambda: presence.lease_id != lease_id, what="a new lease")


def test_a_job_that_this_process_holds_but_does_not_work_on_is_recovered(presence: Presence, reaper: Reaper) -> None:
    lost, kept = claim(presence), claim(presence)
    with presence.running(kept) as run:
        until(lambda: rows.job(lost.job_id).lease_id is None, what="letting go")
        reaper.pass_once()
        assert (run.why, rows.job(kept.job_id).lease_id) == (None, presence.lease_id)
    job = rows.job(lost.job_id)
    assert (job.status, job.crashes) == (Status.PENDING, 1)


def test_the_end_of_an_older_attempt_leaves_the_newer_one_registered(presence: Presence) -> None:
    first = claim(presence)
    with presence.running(first) as older:
        with transaction() as session:
            assert lifecycle.hand_over(session, first)
        second = presence.running(claim(presence, first.job_id))
        newer = second.__enter__()
    presence.cancel(first.job_id)
    assert (older.why, newer.why) == (None, Stop.CANCELLED)
    second.__exit__(None, None, None)


def test_a_process_that_leaves_gives_its_lease_back(make_presence: MakePresence) -> None:
    presence = make_presence()
    held = claim(presence)
    with presence.running(held):
        presence.leave()
    assert not lives(held.lease_id)
    with transaction() as session:
        assert lifecycle.recover(session, held.job_id, held.attempt)


def test_runs_may_begin_and_end_while_the_heart_beats(app: Flask, presence: Presence) -> None:
    jobs = [rows.a_job() for _ in range(40)]
    reasons: list[Stop | None] = []

    def work(mine: list[UUID]) -> None:
        with app.app_context():
            for job_id in mine:
                held = claim(presence, job_id)
                with presence.running(held) as run:
                    reasons.append(run.why)
                    with transaction() as session:
                        assert lifecycle.finish(session, held, Status.COMPLETED)

    threads = [threading.Thread(target=work, args=[jobs[n::4]]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert reasons == [None] * 40
    assert {rows.job(job_id).crashes for job_id in jobs} == {0}


@pytest.mark.parametrize("why", [Stop.CANCELLED, Stop.HANDED_OVER])
def test_a_lost_lease_overrules_what_the_run_was_told_before(presence: Presence, why: Stop) -> None:
    with presence.running(claim(presence)) as run:
        run.stop(why)
        rows.lapse(run.claim.lease_id)
        until(lambda: run.why is Stop.LOST, what="the loss")
