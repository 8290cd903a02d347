"""What must be true of a few jobs, kept in plain Python: the rules of the state machine without any of its SQL.

Each method says whether the move of that name may take place, and notes what it then changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from app.jobs.claim import Claim
from app.jobs.reaper import Abandoned
from app.models import Status

ENDED = {Status.COMPLETED, Status.FAILED, Status.CANCELLED}
IDLE = {Status.PENDING, Status.WAITING}
UNOWNED = {*IDLE, Status.REQUIRES_ACTION}


@dataclass
class Known:
    """One job as it must be."""

    id: UUID
    message_id: UUID
    thread_id: UUID
    before: Known | None
    status: Status = Status.PENDING
    attempt: int = 0
    crashes: int = 0
    waits: int = 0
    publishes: int = 1
    lease_id: UUID | None = None
    settled: str = ""
    kept: str = ""
    steers: int = 0
    action_id: UUID | None = None
    is_in_time: bool = False
    is_due: bool = True
    is_late: bool = False
    is_unwanted: bool = False
    wants_publishing: bool = False
    outcomes: dict[int, str | None] = field(default_factory=dict)
    fence: int = 0

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def blocked(self) -> bool:
        return self.before is not None and (not self.before.ended or self.before.blocked)

    def leaves(self, outcome: str, *, crashed: bool = False) -> None:
        """Nobody works on it any more."""
        self.outcomes[self.attempt] = outcome
        self.lease_id = None
        self.crashes += crashed

    def ends(self, status: Status) -> None:
        self.status, self.lease_id, self.kept, self.action_id = status, None, "", None

    def goes_back(self) -> None:
        self.status, self.is_due, self.wants_publishing, self.action_id = Status.PENDING, True, True, None


@dataclass
class Model:
    """All jobs, and the leases that live."""

    max_crashes: int = 3
    jobs: dict[UUID, Known] = field(default_factory=dict)
    live: set[UUID] = field(default_factory=set)

    def held(self, claim: Claim) -> Known | None:
        """The job, if the claim is still good for it."""
        job = self.jobs[claim.job_id]
        good = (job.status, job.attempt, job.lease_id) == (Status.PROCESSING, claim.attempt, claim.lease_id)
        return job if good else None

    def orphaned(self, job: Known) -> bool:
        return job.status is Status.PROCESSING and job.lease_id not in self.live

    def claim(self, job_id: UUID, lease_id: UUID, crashes_below: int) -> bool:
        job = self.jobs[job_id]
        ready = job.status in IDLE and job.is_due and not job.blocked and not job.is_unwanted
        if not ready or lease_id not in self.live or job.crashes >= crashes_below:
            return False
        job.status, job.lease_id, job.kept = Status.PROCESSING, lease_id, job.settled
        job.attempt += 1
        job.outcomes[job.attempt] = None
        return True

    def checkpoint(self, claim: Claim, text: str) -> bool:
        job = self.held(claim)
        if job is not None:
            job.kept = text
        return job is not None

    def settle(self, claim: Claim, text: str) -> bool:
        job = self.held(claim)
        if job is not None:
            job.settled = job.kept = text
        return job is not None

    def finish(self, claim: Claim, status: Status) -> bool:
        job = self.held(claim)
        if job is not None:
            job.leaves(status)
            job.ends(status)
        return job is not None

    def wait(self, claim: Claim, seconds: float) -> bool:
        job = self.held(claim)
        if job is not None:
            job.leaves("waiting")
            job.status, job.is_due, job.is_late, job.waits = Status.WAITING, seconds <= 0, False, job.waits + 1
        return job is not None

    def ask(self, claim: Claim, action_id: UUID, seconds: float) -> bool:
        job = self.held(claim)
        if job is not None:
            job.leaves("requires_action")
            job.status, job.action_id, job.is_in_time, job.is_late = (
                Status.REQUIRES_ACTION,
                action_id,
                seconds > 0,
                False,
            )
        return job is not None

    def answer(self, job_id: UUID, action_id: UUID) -> bool:
        job = self.jobs[job_id]
        asks = job.status is Status.REQUIRES_ACTION and job.action_id == action_id
        counts = asks and job.is_in_time and not job.is_unwanted
        if counts:
            job.goes_back()
        return counts

    def waits(self, job_id: UUID) -> Known | None:
        """The job, if a person may still do something to its wait."""
        job = self.jobs[job_id]
        return job if job.status is Status.WAITING and not job.is_unwanted else None

    def hasten(self, job_id: UUID) -> bool:
        job = self.waits(job_id)
        if job is not None:
            job.goes_back()
        return job is not None

    def snooze(self, job_id: UUID, seconds: float) -> bool:
        job = self.waits(job_id)
        if job is not None:
            job.is_due = seconds <= 0
        return job is not None

    def steer(self, job_id: UUID) -> bool:
        job = self.jobs[job_id]
        listens = not job.ended and not job.is_unwanted
        job.steers += listens
        return listens

    def hand_over(self, claim: Claim) -> bool:
        job = self.held(claim)
        if job is not None:
            job.leaves("handed_over")
            job.goes_back()
        return job is not None

    def let_go(self, claim: Claim) -> bool:
        job = self.held(claim)
        if job is not None:
            job.lease_id = None
        return job is not None

    def recover(self, job_id: UUID, attempt: int) -> bool:
        job = self.jobs[job_id]
        if not self.orphaned(job) or job.attempt != attempt:
            return False
        job.leaves("crashed", crashed=True)
        job.goes_back()
        return True

    def wake(self, job_id: UUID) -> bool:
        job = self.jobs[job_id]
        is_over = job.status is Status.WAITING and job.is_due
        if is_over:
            job.goes_back()
        return is_over

    def request_cancel(self, job_id: UUID) -> bool:
        job = self.jobs[job_id]
        goes_on = not job.ended and not job.is_unwanted
        job.is_unwanted |= goes_on
        return goes_on

    def cancel(self, job_id: UUID) -> None:
        """The whole use case: the wish, and the end where nobody works on it."""
        self.request_cancel(job_id)
        job = self.jobs[job_id]
        self.end(Abandoned(job_id, job.attempt, "cancelled", orphaned=False))

    def end(self, abandoned: Abandoned) -> None:
        """End what nobody works on, if it still is as somebody saw it."""
        job = self.jobs[abandoned.job_id]
        nobodys = self.orphaned(job) if abandoned.orphaned else job.status in UNOWNED
        if not nobodys or job.attempt != abandoned.attempt:
            return
        if abandoned.orphaned:
            job.leaves("crashed", crashed=True)
        job.ends(Status.CANCELLED if abandoned.why == "cancelled" else Status.FAILED)

    def append(self, claim: Claim) -> bool:
        """Whether the log takes an event of this attempt."""
        job = self.jobs[claim.job_id]
        if job.ended or claim.attempt < job.fence:
            return False
        job.fence = claim.attempt
        return True

    def abandoned(self) -> list[Abandoned]:
        """What a reaper must end now."""
        found = [(job, self._why(job)) for job in self.jobs.values() if job.status in UNOWNED or self.orphaned(job)]
        return [Abandoned(job.id, job.attempt, why, job.status is Status.PROCESSING) for job, why in found if why]

    def _why(self, job: Known) -> str:
        if job.is_unwanted:
            return "cancelled"
        if job.status is Status.REQUIRES_ACTION:
            return "" if job.is_in_time else "expired"
        if job.is_late and job.status is not Status.WAITING:
            return "deadline"
        return "crashed" if self.orphaned(job) and job.crashes + 1 >= self.max_crashes else ""

    def reap(self) -> set[UUID]:
        """One pass of a reaper; returns whom it must wake."""
        for abandoned in self.abandoned():
            self.end(abandoned)
        for job in self.jobs.values():
            self.recover(job.id, job.attempt)
            self.wake(job.id)
        return self.publish_ready()

    def publish_ready(self) -> set[UUID]:
        wanting = [job for job in self.jobs.values() if job.status is Status.PENDING and job.wants_publishing]
        ready = [job for job in wanting if not job.blocked]
        for job in ready:
            job.wants_publishing, job.publishes = False, job.publishes + 1
        return {job.id for job in ready}
