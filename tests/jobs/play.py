"""World and model side by side: what is done to one is done to the other, and they must agree."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Flask

from app.clock import now
from app.ids import new_id
from app.jobs.claim import Claim
from app.jobs.reaper import Abandoned
from app.models import Status
from app.stream import events
from tests.jobs.model import ENDED, Known, Model
from tests.jobs.world import World, letter, over
from tests.support import rows

LAST_EVENTS = {events.COMPLETED, events.FAILED, events.CANCELLED}
COMPARED = ("status", "attempt", "crashes", "waits", "publishes", "lease_id", "settled", "steers", "action_id")


class Play:
    """Some jobs and workers, and everything that can happen to them."""

    def __init__(self, app: Flask) -> None:
        self.model, self.world = Model(), World(app)
        self.leases: list[UUID] = []
        self.claims: list[Claim] = []
        self.asked: list[tuple[UUID, UUID]] = []
        self.ends: dict[UUID, tuple[Any, ...]] = {}

    def allow_crashes(self, most: int) -> None:
        self.model.max_crashes = self.world.max_crashes = most

    @property
    def jobs(self) -> list[Known]:
        return list(self.model.jobs.values())

    def in_state(self, status: Status) -> list[Known]:
        return [job for job in self.jobs if job.status is status]

    def post(self, thread: int, back: int) -> None:
        """A message at the end of a branch, or `back` replies before the newest of the thread, which makes a branch."""
        thread_id = self.world.threads[thread]
        earlier = [job for job in self.jobs if job.thread_id == thread_id]
        job = self.world.post(thread_id, earlier[max(-back - 1, -len(earlier))] if earlier else None)
        self.model.jobs[job.id] = job

    def start_worker(self) -> UUID:
        self.leases.append(self.world.worker())
        self.model.live.add(self.leases[-1])
        return self.leases[-1]

    def lapse(self, lease_id: UUID) -> None:
        rows.lapse(lease_id)
        self.model.live.discard(lease_id)

    def claim(self, job_id: UUID, lease_id: UUID, *, alone: bool) -> Claim | None:
        """A worker is woken; `alone`: for a last try, which others leave."""
        crashes_below = self.model.max_crashes - (not alone)
        claim = self.world.claim(job_id, lease_id, crashes_below)
        assert bool(claim) == self.model.claim(job_id, lease_id, crashes_below)
        if claim is not None:
            assert claim.attempt == self.model.jobs[job_id].attempt
            self.claims.append(claim)
        return claim

    def append(self, claim: Claim) -> None:
        assert self.world.append(claim) == self.model.append(claim)

    def checkpoint(self, claim: Claim) -> None:
        text = self.world.text(claim)
        self._agreed(claim, self.world.checkpoint(claim, text), self.model.checkpoint(claim, text))

    def settle(self, claim: Claim) -> None:
        """Commit a step."""
        text = self.world.text(claim)
        self._agreed(claim, self.world.settle(claim, text), self.model.settle(claim, text))

    def finish(self, claim: Claim, status: Status = Status.COMPLETED) -> None:
        self._agreed(claim, self.world.finish(claim, status), self.model.finish(claim, status))

    def wait(self, claim: Claim, seconds: float = 0) -> None:
        self._agreed(claim, self.world.wait(claim, seconds), self.model.wait(claim, seconds))

    def ask(self, claim: Claim, seconds: float = 60) -> None:
        action_id = new_id()
        self._agreed(claim, self.world.ask(claim, action_id, seconds), self.model.ask(claim, action_id, seconds))
        self.asked.append((claim.job_id, action_id))

    def answer(self, job_id: UUID, action_id: UUID) -> None:
        """Perhaps not the first, perhaps to what is not asked any more, or never was."""
        assert self.world.answer(job_id, action_id) == self.model.answer(job_id, action_id)

    def hasten(self, job: Known) -> None:
        assert self.world.hasten(job.id) == self.model.hasten(job.id)

    def snooze(self, job: Known, seconds: float) -> None:
        assert self.world.snooze(job.id, seconds) == self.model.snooze(job.id, seconds)

    def steer(self, job: Known) -> None:
        assert self.world.steer(job.id) == self.model.steer(job.id)

    def hand_over(self, claim: Claim) -> None:
        self._agreed(claim, self.world.hand_over(claim), self.model.hand_over(claim))

    def let_go(self, claim: Claim) -> None:
        self._agreed(claim, self.world.let_go(claim), self.model.let_go(claim))

    def recover(self, claim: Claim) -> None:
        """By a reaper that saw this attempt, perhaps long ago."""
        seen = (claim.job_id, claim.attempt)
        self._agreed(claim, self.world.recover(*seen), self.model.recover(*seen))

    def _agreed(self, claim: Claim, took_place: bool, expected: bool) -> None:
        """What took place was to take place; and whatever is stored is the newest attempt's (G3)."""
        assert took_place == expected
        assert not took_place or claim.attempt == self.model.jobs[claim.job_id].attempt

    def wake(self, job: Known) -> None:
        assert self.world.wake(job.id) == self.model.wake(job.id)

    def request_cancel(self, job: Known) -> None:
        """And die before anybody obeys."""
        assert self.world.request_cancel(job.id) == self.model.request_cancel(job.id)

    def cancel(self, job: Known) -> None:
        self.world.cancel(job.id)
        self.model.cancel(job.id)

    def end(self, abandoned: Abandoned) -> None:
        """By a reaper that saw it abandoned, perhaps long ago."""
        self.world.end(abandoned)
        self.model.end(abandoned)

    def reap(self) -> None:
        woken = self.world.reap()  # and the successors of what it ended
        assert self.model.reap() <= woken

    def publish_ready(self) -> None:
        assert self.world.publish_ready() == self.model.publish_ready()

    def let_waits_end(self) -> None:
        over("wake_at", Status.WAITING)
        for job in self.in_state(Status.WAITING):
            job.is_due = True
            if job.is_late:
                rows.set_job(job.id, deadline_at=now(-2))

    def let_actions_expire(self) -> None:
        over("action_expires_at", Status.REQUIRES_ACTION)
        for job in self.in_state(Status.REQUIRES_ACTION):
            job.is_in_time = False

    def let_seconds_pass(self) -> None:
        """Enough for each wake-up to be sent again."""
        over("next_publish_at", Status.PENDING)
        for job in self.in_state(Status.PENDING):
            job.wants_publishing = True

    def let_deadline_pass(self, job: Known) -> None:
        if job.attempt and not job.ended:
            rows.set_job(job.id, deadline_at=now(-1000))  # before any moment that a pause may be moved to
            job.is_late = True

    def freeze(self, claim: Claim, lease_id: UUID, *, alone: bool, speaks: bool, settles: bool) -> None:
        """A worker freezes, its lease lapses, the reaper and another go on, and it wakes and writes all it could.

        `settles`: it has just committed a step, which whoever goes on must find.
        """
        if settles:
            self.append(claim)
            self.settle(claim)
        self.lapse(claim.lease_id)
        self.reap()
        newer = self.claim(claim.job_id, lease_id, alone=alone)
        if speaks and newer is not None:
            self.append(newer)
        self.append(claim)
        for write in (self.checkpoint, self.settle, self.hand_over, self.let_go, self.finish, self.wait, self.ask):
            write(claim)

    def drain(self) -> None:
        """Nothing else happens any more: every job comes to its end (G1)."""
        for _ in range(2 * len(self.jobs)):
            for lease_id in list(self.model.live):
                self.lapse(lease_id)
            self.let_waits_end()
            self.let_actions_expire()
            self.let_seconds_pass()
            self.reap()
            self._work_on_all()
            if all(job.ended for job in self.jobs):
                break
        self.check_rows()
        self.check_log()
        assert [job for job in self.jobs if not job.ended] == [], "G1: every reply ends"

    def _work_on_all(self) -> None:
        lease_id = self.start_worker()
        for job in self.jobs:
            claim = self.claim(job.id, lease_id, alone=True)
            if claim is not None:
                self.append(claim)
                self.finish(claim)

    def check_rows(self) -> None:
        """They are what the model says, and what was promised."""
        found, outcomes = self.world.jobs(), self.world.outcomes()
        assert found.keys() == self.model.jobs.keys(), "G1: what was accepted is there"
        for job in self.jobs:
            row = found[job.id]
            assert [getattr(row, name) for name in COMPARED] == [getattr(job, name) for name in COMPARED]
            assert (row.checkpoint, row.cancel_requested_at is not None) == (job.kept, job.is_unwanted)
            assert outcomes.get(job.id, []) == list(job.outcomes.items()), "one row for each claim, closed at its end"
            self._check_promises(row, job)

    def _check_promises(self, row: Any, job: Known) -> None:
        """Read from the row alone, whatever the model thinks."""
        end = (row.status, row.content, row.finish_reason, row.completed_at, row.finished_at)
        if row.status in ENDED:
            assert self.ends.setdefault(row.id, end) == end, "G2: terminal is final"
            assert row.content.startswith(row.settled), "what is committed stays"
            assert set(row.content[len(row.settled) :]) <= {letter(row.attempt)}, "G3: only the last attempt's text"
        else:
            assert row.id not in self.ends, "G2: terminal is final"
            assert (row.content, row.finished_at) == ("", None)
            assert (row.status == Status.WAITING) == (row.wake_at is not None), "G1: it wakes"
            assert (row.status == Status.REQUIRES_ACTION) == (row.action_expires_at is not None), "G1: it expires"
            assert row.next_publish_at is not None, "G1: its wake-up is sent again"
        if row.status == Status.PROCESSING:
            assert not job.blocked, "G9: one at a time in a branch"

    def check_log(self) -> None:
        """One writer, one end."""
        logged = self.world.logged()
        for job in self.jobs:
            told = logged[str(job.message_id)]
            attempts = [event.attempt for event in told]
            assert attempts == sorted(attempts), "G3: nothing of an older attempt after a newer one"
            last = [event.type for event in told if event.type in LAST_EVENTS]
            assert last == ([told[-1].type] if job.ended else []), "G2: one last event, and nothing after it"
            assert not job.ended or last == [f"message.{job.status}"]
