"""The life of jobs as a state machine that Hypothesis drives over the real SQL and the real log, on both databases.

After every step the rows must be what a model in plain Python says, and the promises G1, G2, G3 and G9 must hold. For
longer runs: MACHINE=long. MACHINE=brief shrinks nothing, which is enough to learn that something is broken.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.jobs.claim import Claim
from app.jobs.reaper import Abandoned
from app.models import Status
from tests.jobs.model import ENDED, Known
from tests.jobs.pausing import WHICH, Pausing, chosen, somebody_claimed
from tests.jobs.play import Play

JOBS = 8

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
    "brief": settings(DEFAULT, phases=[Phase.generate]),
}
PROFILE = os.environ.get("MACHINE", "default")

WRITES = st.sampled_from(["checkpoint", "settle", "hand_over", "let_go", "recover"])


class Jobs(Pausing, RuleBasedStateMachine):
    """Jobs of two threads, worked on, frozen, paused, cancelled and recovered in any order."""

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self.play = Play(app)
        self.seen: list[Abandoned] = []
        for thread in (0, 0, 1):
            self.play.post(thread, 0)
        for _ in range(2):
            self.play.start_worker()
        for job in self.play.jobs:  # the second one waits for the first
            self.play.claim(job.id, self.play.leases[0], alone=True)

    def job(self, which: int) -> Known:
        return chosen(which, self.play.jobs, [job for job in self.play.jobs if not job.ended])

    def claim(self, which: int) -> Claim:
        claims = self.play.claims
        return chosen(which, claims, [claim for claim in claims if self.play.model.held(claim)])

    def lease(self, which: int) -> Any:
        leases = self.play.leases
        return chosen(which, leases, [lease_id for lease_id in leases if lease_id in self.play.model.live])

    @initialize(most=st.sampled_from([2, 3]), settles=st.booleans())
    def begin(self, most: int, settles: bool) -> None:
        self.play.allow_crashes(most)
        for claim in self.play.claims:
            self.play.append(claim)
            if settles:
                self.play.settle(claim)

    @precondition(lambda self: len(self.play.jobs) < JOBS)
    @rule(thread=st.integers(0, 1), back=st.integers(0, JOBS))
    def post(self, thread: int, back: int) -> None:
        self.play.post(thread, back)

    @rule()
    def start_worker(self) -> None:
        self.play.start_worker()

    @rule(job=WHICH, lease=WHICH, alone=st.booleans())
    def wake_up(self, job: int, lease: int, alone: bool) -> None:
        """A wake-up of any job reaches any worker at any time: it may be the first, a repeated one or a late one."""
        self.play.claim(self.job(job).id, self.lease(lease), alone=alone)

    @rule(lease=WHICH)
    def work(self, lease: int) -> None:
        """Every job that waits for a worker finds one."""
        for job in self.play.in_state(Status.PENDING):
            self.play.claim(job.id, self.lease(lease), alone=True)

    @precondition(somebody_claimed)
    @rule(claim=WHICH, times=st.integers(1, 3))
    def append(self, claim: int, times: int) -> None:
        for _ in range(times):
            self.play.append(self.claim(claim))

    @precondition(somebody_claimed)
    @rule(claim=WHICH, write=WRITES)
    def write(self, claim: int, write: str) -> None:
        getattr(self.play, write)(self.claim(claim))

    @precondition(somebody_claimed)
    @rule(claim=WHICH, status=st.sampled_from(sorted(ENDED)))
    def finish(self, claim: int, status: Status) -> None:
        self.play.finish(self.claim(claim), status)

    @precondition(somebody_claimed)
    @rule(claim=WHICH, lease=WHICH, alone=st.booleans(), speaks=st.booleans(), settles=st.booleans())
    def freeze(self, claim: int, lease: int, alone: bool, speaks: bool, settles: bool) -> None:
        self.play.freeze(self.claim(claim), self.lease(lease), alone=alone, speaks=speaks, settles=settles)

    @rule(job=WHICH)
    def wake(self, job: int) -> None:
        self.play.wake(self.job(job))

    @precondition(lambda self: self.play.in_state(Status.WAITING))
    @rule(lease=WHICH, claims=st.booleans())
    def wake_what_waits(self, lease: int, claims: bool) -> None:
        """Perhaps too soon."""
        for job in self.play.in_state(Status.WAITING):
            if claims:
                self.play.claim(job.id, self.lease(lease), alone=True)
            else:
                self.play.wake(job)

    @rule(job=WHICH, is_obeyed=st.booleans())
    def cancel(self, job: int, is_obeyed: bool) -> None:
        if is_obeyed:
            self.play.cancel(self.job(job))
        else:
            self.play.request_cancel(self.job(job))

    @rule()
    def look(self) -> None:
        """As a reaper does before it acts; here others may act in between."""
        self.seen += self.play.model.abandoned()

    @precondition(lambda self: self.seen)
    @rule()
    def end_what_was_seen(self) -> None:
        while self.seen:
            self.play.end(self.seen.pop())

    @rule()
    def reap(self) -> None:
        self.play.reap()

    @rule()
    def publish_ready(self) -> None:
        self.play.publish_ready()

    @rule(lease=WHICH)
    def lapse(self, lease: int) -> None:
        self.play.lapse(self.lease(lease))

    @rule(job=WHICH)
    def let_deadline_pass(self, job: int) -> None:
        self.play.let_deadline_pass(self.job(job))

    @invariant()
    def the_rows_are_what_they_must_be(self) -> None:
        self.play.check_rows()

    @invariant()
    def the_log_is_what_it_must_be(self) -> None:
        self.play.check_log()

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:
            self.play.drain()


@pytest.mark.timeout(0 if PROFILE == "long" else 600)  # a failure takes its time to be made small
def test_whatever_happens_to_jobs_the_promises_hold(app: Flask) -> None:
    run_state_machine_as_test(lambda: Jobs(app), settings=PROFILES[PROFILE])
