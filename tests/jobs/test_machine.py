"""The life of jobs as a state machine that Hypothesis drives over the real SQL and the real log, on both databases.

After every step the rows must be what a model in plain Python says, and the promises G1, G2, G3 and G9 must hold. For
longer runs: MACHINE=long. MACHINE=brief shrinks nothing, which is enough to learn that something is broken.
"""

from __future__ import annotations

import os
import sys
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.clock import now
from app.jobs.claim import Claim
from app.jobs.reaper import Abandoned
from app.models import Status
from app.stream import events
from tests.jobs.model import ENDED, Known, Model
from tests.jobs.world import World, over
from tests.support import rows

DEFAULT = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
PROFILES = {
    "default": DEFAULT,
    "long": settings(DEFAULT, max_examples=2_000, stateful_step_count=60),
    "brief": settings(DEFAULT, max_examples=100, phases=[Phase.generate]),
}
PROFILE = os.environ.get("MACHINE", "default")

JOBS = 8
LAST_EVENTS = {events.COMPLETED, events.FAILED, events.CANCELLED}
CLAIMED = ("status", "attempt", "crashes", "waits", "publishes", "lease_id")


class Jobs(RuleBasedStateMachine):
    """Jobs of two threads, worked on, frozen, cancelled and recovered in any order."""

    jobs: Bundle[UUID] = Bundle("jobs")
    leases: Bundle[UUID] = Bundle("leases")
    claims: Bundle[Claim] = Bundle("claims")
    seen: Bundle[Abandoned] = Bundle("seen")

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self.model, self.world = Model(), World(app)
        self.ends: dict[UUID, tuple[Any, ...]] = {}

    @initialize(max_crashes=st.sampled_from([2, 3]))
    def may_crash(self, max_crashes: int) -> None:
        self.model.max_crashes = self.world.max_crashes = max_crashes

    @initialize(target=leases)
    def first_workers(self) -> Any:
        return multiple(self.worker(), self.worker())

    @initialize(target=jobs)
    def first_posts(self) -> Any:
        """Two jobs in one branch, and one elsewhere."""
        return multiple(self.post(0, 0), self.post(0, 0), self.post(1, 0))

    @precondition(lambda self: len(self.model.jobs) < JOBS)
    @rule(target=jobs, thread=st.integers(0, 1), place=st.integers(0, JOBS))
    def post(self, thread: int, place: int) -> UUID:
        """At the end of a branch, or anywhere in it, which makes another."""
        thread_id = self.world.threads[thread]
        earlier = [job for job in self.model.jobs.values() if job.thread_id == thread_id]
        job = self.world.post(thread_id, earlier[max(-place - 1, -len(earlier))] if earlier else None)
        self.model.jobs[job.id] = job
        return job.id

    @rule(target=leases)
    def worker(self) -> UUID:
        lease_id = self.world.worker()
        self.model.live.add(lease_id)
        return lease_id

    @rule(target=claims, job_id=jobs, lease_id=leases, alone=st.booleans())
    def wake_up(self, job_id: UUID, lease_id: UUID, alone: bool) -> Any:
        """A wake-up of any job reaches any worker at any time: it may be the first, a repeated one or a late one."""
        crashes_below = self.model.max_crashes - (not alone)
        claim = self.world.claim(job_id, lease_id, crashes_below)
        assert bool(claim) == self.model.claim(job_id, lease_id, crashes_below)
        if claim is None:
            return multiple()
        assert claim.attempt == self.model.jobs[job_id].attempt
        return claim

    @rule(claim=claims, times=st.integers(1, 3))
    def append(self, claim: Claim, times: int) -> None:
        for _ in range(times):
            assert self.world.append(claim) == self.model.append(claim)

    @rule(claim=claims)
    def checkpoint(self, claim: Claim) -> None:
        text = self.world.text(claim)
        self.agreed(claim, self.world.checkpoint(claim, text), self.model.checkpoint(claim, text))

    @rule(claim=claims, status=st.sampled_from(sorted(ENDED)))
    def finish(self, claim: Claim, status: Status) -> None:
        self.agreed(claim, self.world.finish(claim, status), self.model.finish(claim, status))

    @rule(claim=claims, seconds=st.sampled_from([0, 60]))
    def wait(self, claim: Claim, seconds: float) -> None:
        self.agreed(claim, self.world.wait(claim, seconds), self.model.wait(claim, seconds))

    @rule(claim=claims)
    def hand_over(self, claim: Claim) -> None:
        self.agreed(claim, self.world.hand_over(claim), self.model.hand_over(claim))

    @rule(claim=claims)
    def let_go(self, claim: Claim) -> None:
        self.agreed(claim, self.world.let_go(claim), self.model.let_go(claim))

    @rule(claim=claims)
    def recover_what_was_seen_earlier(self, claim: Claim) -> None:
        of = (claim.job_id, claim.attempt)
        self.agreed(claim, self.world.recover(*of), self.model.recover(*of))

    @rule(job_id=jobs)
    def wake(self, job_id: UUID) -> None:
        assert self.world.wake(job_id) == self.model.wake(job_id)

    @rule(job_id=jobs)
    def cancel(self, job_id: UUID) -> None:
        self.world.cancel(job_id)
        self.model.cancel(job_id)

    @rule(job_id=jobs)
    def cancel_and_die_before_it_is_obeyed(self, job_id: UUID) -> None:
        assert self.world.request_cancel(job_id) == self.model.request_cancel(job_id)

    @rule(target=seen)
    def look(self) -> Any:
        return multiple(*self.model.abandoned())

    @rule(abandoned=seen)
    def end_what_was_seen_earlier(self, abandoned: Abandoned) -> None:
        self.world.end(abandoned)
        self.model.end(abandoned)

    @rule()
    def reap(self) -> None:
        woken = self.world.reap()
        assert self.model.reap() <= woken

    @rule()
    def publish_ready(self) -> None:
        assert self.world.publish_ready() == self.model.publish_ready()

    @rule(lease_id=leases)
    def lapse(self, lease_id: UUID) -> None:
        rows.lapse(lease_id)
        self.model.live.discard(lease_id)

    @rule()
    def waits_end(self) -> None:
        over("wake_at", Status.WAITING)
        for job in self.in_state(Status.WAITING):
            job.is_due = True

    @rule()
    def seconds_pass(self) -> None:
        over("next_publish_at", Status.PENDING)
        for job in self.in_state(Status.PENDING):
            job.wants_publishing = True

    @rule(job_id=jobs)
    def deadline_passes(self, job_id: UUID) -> None:
        job = self.model.jobs[job_id]
        if job.attempt and not job.ended:
            rows.set_job(job_id, deadline_at=now(-1))
            job.is_late = True

    @precondition(lambda self: self.in_state(Status.PROCESSING))
    @rule(target=claims, claim=claims, lease_id=leases, speaks=st.booleans())
    def freeze_and_wake_too_late(self, claim: Claim, lease_id: UUID, speaks: bool) -> Any:
        """The macro rule: a worker freezes, its lease lapses, the reaper and another go on, and then it wakes."""
        self.lapse(claim.lease_id)
        self.reap()
        newer = self.wake_up(claim.job_id, lease_id, alone=True)
        if speaks and isinstance(newer, Claim):
            self.append(newer, 1)
        self.append(claim, 1)
        for write in (self.checkpoint, self.hand_over, self.let_go):
            write(claim)
        self.finish(claim, Status.COMPLETED)
        self.wait(claim, 0)
        return newer

    def in_state(self, status: Status) -> list[Known]:
        return [job for job in self.model.jobs.values() if job.status is status]

    def agreed(self, claim: Claim, took_place: bool, expected: bool) -> None:
        """What took place was to take place; and whatever is stored is the newest attempt's (G3)."""
        assert took_place == expected
        assert not took_place or claim.attempt == self.model.jobs[claim.job_id].attempt

    @invariant()
    def the_rows_are_what_the_model_says(self) -> None:
        found, outcomes = self.world.jobs(), self.world.outcomes()
        assert found.keys() == self.model.jobs.keys(), "G1: what was accepted is there"
        for job_id, job in self.model.jobs.items():
            row = found[job_id]
            assert [getattr(row, name) for name in CLAIMED] == [getattr(job, name) for name in CLAIMED]
            assert (row.checkpoint, row.cancel_requested_at is not None) == (job.kept, job.is_unwanted)
            assert outcomes.get(job_id, []) == list(job.outcomes.items())
            self.look_at(row, job)

    def look_at(self, row: Any, job: Known) -> None:
        """What was promised, read from the rows alone."""
        end = (row.status, row.content, row.finish_reason, row.completed_at, row.finished_at)
        if row.status in ENDED:
            assert self.ends.setdefault(row.id, end) == end, "G2: terminal is final"
            assert set(row.content) <= {chr(ord("a") + row.attempt - 1)}, "G3: only the last attempt's text"
        else:
            assert (row.content, row.finished_at) == ("", None)
            assert row.status != Status.WAITING or row.wake_at is not None, "G1: it wakes"
            assert row.next_publish_at is not None, "G1: it is published again"
        if row.status == Status.PROCESSING:
            assert not job.blocked, "G9: one at a time in a branch"

    @invariant()
    def the_log_has_one_writer_and_one_end(self) -> None:
        logged = self.world.logged()
        for job in self.model.jobs.values():
            told = logged[str(job.message_id)]
            assert [e.attempt for e in told] == sorted(e.attempt for e in told), "G3: an older attempt after a newer"
            last = [e.type for e in told if e.type in LAST_EVENTS]
            assert last == ([told[-1].type] if job.ended else []), "G2: one last event, and nothing after it"
            assert not job.ended or last == [f"message.{job.status}"]

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:
            self.drain()

    def drain(self) -> None:
        """Nothing else happens any more: every job comes to its end (G1)."""
        for _ in range(2 * JOBS):
            for lease_id in list(self.model.live):
                self.lapse(lease_id)
            self.waits_end()
            self.seconds_pass()
            self.reap()
            self.work_on_all()
            self.the_rows_are_what_the_model_says()
            if {job.status for job in self.model.jobs.values()} <= ENDED:
                break
        self.the_log_has_one_writer_and_one_end()
        assert {job.status for job in self.model.jobs.values()} <= ENDED

    def work_on_all(self) -> None:
        lease_id = self.worker()
        for job_id in self.model.jobs:
            claim = self.wake_up(job_id, lease_id, alone=True)
            if isinstance(claim, Claim):
                self.append(claim, 2)
                self.finish(claim, Status.COMPLETED)


@pytest.mark.timeout(0 if PROFILE == "long" else 600)  # a failure takes its time to be made small
def test_whatever_happens_to_jobs_the_promises_hold(app: Flask) -> None:
    run_state_machine_as_test(lambda: Jobs(app), settings=PROFILES[PROFILE])  # type: ignore[no-untyped-call]
