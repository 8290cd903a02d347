from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.clock import now
from app.database import transaction
from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.models import TERMINAL, Status
from tests.support import rows
from tests.support.at_once import at_once

pytestmark = pytest.mark.usefixtures("app")


def claimed(job_id: UUID, lease_id: UUID, reply_seconds: float = 60) -> Claim | None:
    with transaction() as session:
        return lifecycle.claim(session, job_id, lease_id, reply_seconds, 3)


def must_claim(job_id: UUID, lease_id: UUID, reply_seconds: float = 60) -> Claim:
    claim = claimed(job_id, lease_id, reply_seconds)
    assert claim is not None
    return claim


def test_a_claim_raises_the_attempt_and_says_what_was_claimed() -> None:
    lease_id, job_id = rows.a_lease(), rows.a_job(request_id="asked-1", waits=2, checkpoint="of another attempt")
    claim = must_claim(job_id, lease_id, reply_seconds=50)
    job = rows.job(job_id)
    assert (claim.attempt, claim.lease_id, claim.request_id, claim.waits) == (1, lease_id, "asked-1", 2)
    assert (job.status, job.attempt, job.lease_id, job.checkpoint) == (Status.PROCESSING, 1, lease_id, "")
    assert job.started_at == claim.claimed_at
    assert claim.seconds_left == pytest.approx(50, abs=0.01)
    assert rows.outcomes(job_id) == {1: None}


@pytest.mark.parametrize("status", [s for s in Status if s not in TERMINAL])
def test_an_unfinished_predecessor_blocks_a_claim(status: Status) -> None:
    lease_id, thread_id = rows.a_lease(), rows.a_thread()
    first = rows.a_job(thread_id, status=status)
    second = rows.a_job(thread_id, after_id=first)
    assert claimed(second, lease_id) is None
    assert rows.job(second).attempt == 0


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_an_ended_predecessor_blocks_no_claim(status: Status) -> None:
    lease_id, thread_id = rows.a_lease(), rows.a_thread()
    second = rows.a_job(thread_id, after_id=rows.a_job(thread_id, status=status))
    assert claimed(second, lease_id) is not None


def test_a_wish_to_cancel_blocks_a_claim() -> None:
    lease_id, job_id = rows.a_lease(), rows.a_job()
    with transaction() as session:
        assert lifecycle.request_cancel(session, job_id)
    assert claimed(job_id, lease_id) is None


def test_a_lapsed_lease_and_one_that_never_was_claim_nothing() -> None:
    job_id = rows.a_job()
    assert claimed(job_id, rows.a_lease(-0.001)) is None
    assert claimed(job_id, UUID(int=1)) is None
    assert rows.job(job_id).attempt == 0


def test_of_many_parallel_claims_exactly_one_wins(app: Flask) -> None:
    jobs = [rows.a_job() for _ in range(10)]
    leases = [rows.a_lease() for _ in range(6)]

    def claim_all(lease_id: UUID) -> list[UUID]:
        return [job_id for job_id in jobs if claimed(job_id, lease_id)]

    found = at_once(app, [partial(claim_all, lease_id) for lease_id in leases])
    won = [mine for mine in found if isinstance(mine, list)]
    assert len(won) == len(leases), found
    assert sorted(job_id for mine in won for job_id in mine) == sorted(jobs)
    assert {rows.job(job_id).attempt for job_id in jobs} == {1}
    assert all(rows.outcomes(job_id) == {1: None} for job_id in jobs)


def test_each_attempt_leaves_a_row_that_says_how_it_ended() -> None:
    lease_id, job_id = rows.a_lease(), rows.a_job()
    with transaction() as session:
        assert lifecycle.hand_over(session, _now(session, job_id, lease_id))
    with transaction() as session:
        assert lifecycle.wait(session, _now(session, job_id, lease_id), 0, 60)
    crashing = rows.a_lease()
    must_claim(job_id, crashing)
    rows.lapse(crashing)
    with transaction() as session:
        assert lifecycle.recover(session, job_id, 3)
    with transaction() as session:
        assert lifecycle.finish(session, _now(session, job_id, lease_id), Status.COMPLETED)
    assert rows.outcomes(job_id) == {1: "handed_over", 2: "waiting", 3: "crashed", 4: "completed"}
    job = rows.job(job_id)
    assert (job.attempt, job.crashes, job.waits) == (4, 1, 1)
    assert (job.status, job.lease_id, job.wake_at) == (Status.COMPLETED, None, None)
    assert job.finished_at is not None


def _now(session: Session, job_id: UUID, lease_id: UUID) -> Claim:
    claim = lifecycle.claim(session, job_id, lease_id, 60, 3)
    assert claim is not None
    return claim


def test_the_deadline_begins_with_the_first_claim_and_a_hand_over_leaves_it() -> None:
    lease_id, job_id = rows.a_lease(), rows.a_job()
    assert rows.job(job_id).deadline_at is None
    first = must_claim(job_id, lease_id, reply_seconds=100)
    deadline = rows.job(job_id).deadline_at
    with transaction() as session:
        assert lifecycle.hand_over(session, first)
    again = must_claim(job_id, lease_id, reply_seconds=999)
    assert rows.job(job_id).deadline_at == deadline
    assert again.seconds_left <= 100


def test_the_deadline_of_work_toward_a_goal_leaves_it_the_time_it_may_take() -> None:
    lease_id, job_id = rows.a_lease(), rows.a_job(more_seconds=3600)
    claim = must_claim(job_id, lease_id, reply_seconds=100)
    assert 3690 < claim.seconds_left <= 3700


def test_a_wait_moves_the_deadline_by_its_own_length() -> None:
    lease_id, job_id = rows.a_lease(), rows.a_job()
    claim = must_claim(job_id, lease_id, reply_seconds=100)
    with transaction() as session:
        wake_at = lifecycle.wait(session, claim, 500, 40)
    job = rows.job(job_id)
    assert wake_at == job.wake_at
    assert job.deadline_at is not None
    assert job.wake_at is not None
    assert job.deadline_at - job.wake_at == timedelta(seconds=40)
    assert (job.wake_at - claim.claimed_at).total_seconds() >= 500
    rows.set_job(job_id, wake_at=now(-1))
    assert must_claim(job_id, lease_id, reply_seconds=1).seconds_left > 100


def test_a_hand_over_counts_no_crash_and_is_due_at_once() -> None:
    lease_id, job_id = rows.a_lease(), rows.a_job()
    claim = must_claim(job_id, lease_id)
    with transaction() as session:
        assert lifecycle.hand_over(session, claim)
    job = rows.job(job_id)
    assert (job.status, job.crashes, job.lease_id) == (Status.PENDING, 0, None)
    assert claimed(job_id, rows.a_lease()) is not None


def test_a_worker_whose_lease_has_lapsed_may_still_finish_what_nobody_took() -> None:
    lease_id, job_id = rows.a_lease(), rows.a_job()
    claim = must_claim(job_id, lease_id)
    rows.lapse(lease_id)
    with transaction() as session:
        assert lifecycle.finish(session, claim, Status.COMPLETED)
    with transaction() as session:
        assert not lifecycle.recover(session, job_id, claim.attempt)


def test_the_frozen_attempt_can_do_nothing_once_another_has_begun() -> None:
    lease_id, job_id = rows.a_lease(), rows.a_job()
    frozen = must_claim(job_id, lease_id)
    rows.lapse(lease_id)
    with transaction() as session:
        assert lifecycle.recover(session, job_id, frozen.attempt)
    second = must_claim(job_id, rows.a_lease())
    with transaction() as session:
        assert not lifecycle.checkpoint(session, frozen, "late")
        assert not lifecycle.finish(session, frozen, Status.COMPLETED)
        assert lifecycle.wait(session, frozen, 1, 1) is None
        assert not lifecycle.hand_over(session, frozen)
        assert not lifecycle.let_go(session, job_id, frozen.attempt, frozen.lease_id)
    job = rows.job(job_id)
    assert (job.status, job.attempt, job.checkpoint) == (Status.PROCESSING, second.attempt, "")


def test_what_was_let_go_is_an_orphan_that_counts_a_crash_when_recovered() -> None:
    lease_id, job_id = rows.a_lease(), rows.a_job()
    claim = must_claim(job_id, lease_id)
    with transaction() as session:
        assert not lifecycle.recover(session, job_id, claim.attempt)
        assert lifecycle.let_go(session, job_id, claim.attempt, lease_id)
        assert lifecycle.recover(session, job_id, claim.attempt)
    assert rows.job(job_id).crashes == 1
