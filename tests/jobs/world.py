"""A small world for the state machine's tests: everything in it is done to the real database and the real log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session

from app.chat import cancelling, finishing, sending, threads
from app.chat.outcome import Outcome
from app.chat.sending import Draft
from app.clock import now
from app.database import reading, transaction
from app.extensions import redis, settings
from app.jobs import lease, lifecycle, queue
from app.jobs.claim import Claim
from app.jobs.process import ProcessId
from app.jobs.reaper import Reaper
from app.models import Attempt, Job, Message, Status
from app.stream import events, log
from app.stream.events import Event
from tests.jobs.model import Known
from tests.support import rows
from tests.support.broker import wake_ups
from tests.support.shared_app import empty

LEASE_SECONDS = 600
REPLY_SECONDS = 3600
REASONS = {Status.COMPLETED: "stop", Status.FAILED: "error", Status.CANCELLED: "cancelled"}


def letter(attempt: int) -> str:
    """All that an attempt ever writes: whatever is stored says who wrote it."""
    return chr(ord("a") + attempt - 1)


class World:
    """Some threads of one user, the workers' leases, and a reaper."""

    def __init__(self, app: Flask) -> None:
        empty()
        self.app = app
        self.max_crashes = 3
        self.user_id = rows.a_user()
        self.threads = [rows.a_thread(self.user_id) for _ in range(2)]
        self.written: dict[tuple[UUID, int], int] = {}
        self.begun_with: dict[tuple[UUID, int], str] = {}

    def post(self, thread_id: UUID, before: Known | None) -> Known:
        """A message in the branch that ends with the reply `before`."""
        if before is not None:
            threads.change(self.user_id, thread_id, {"active_message_id": before.message_id})
        sent = sending.send_message(self.user_id, Draft("hello", thread_id))
        assert sent.reply.job_id is not None
        return Known(sent.reply.job_id, sent.reply.id, thread_id, before)

    def worker(self) -> UUID:
        """A new lease."""
        return lease.take(ProcessId.of_this(), LEASE_SECONDS)

    def claim(self, job_id: UUID, lease_id: UUID, crashes_below: int) -> Claim | None:
        with transaction() as session:
            claim = lifecycle.claim(session, job_id, lease_id, REPLY_SECONDS, crashes_below)
        if claim is not None:
            self.begun_with[job_id, claim.attempt] = rows.job(job_id).settled
        return claim

    def text(self, claim: Claim) -> str:
        """What this attempt found settled, and what it has appended to the log."""
        key = (claim.job_id, claim.attempt)
        return self.begun_with[key] + letter(claim.attempt) * self.written.get(key, 0)

    def append(self, claim: Claim) -> bool:
        """The next letter."""
        text = self.text(claim)
        fields = {"offset": len(text), "text": letter(claim.attempt)}
        message_id = str(rows.reply_of(claim.job_id).id)
        event = Event(events.DELTA, str(claim.thread_id), message_id, claim.attempt, fields)
        [outcome] = log.append(redis(), settings(), [event])
        if isinstance(outcome, str):
            key = (claim.job_id, claim.attempt)
            self.written[key] = self.written.get(key, 0) + 1
        return isinstance(outcome, str)

    def checkpoint(self, claim: Claim, text: str) -> bool:
        return done(lambda s: lifecycle.checkpoint(s, claim, text))

    def settle(self, claim: Claim, text: str) -> bool:
        return done(lambda s: lifecycle.settle(s, claim, text))

    def finish(self, claim: Claim, status: Status) -> bool:
        return finishing.finish(claim, Outcome(status, self.text(claim), REASONS[status]))

    def wait(self, claim: Claim, seconds: float) -> bool:
        return done(lambda s: lifecycle.wait(s, claim, seconds, REPLY_SECONDS))

    def ask(self, claim: Claim, action_id: UUID, seconds: float) -> bool:
        return done(lambda s: lifecycle.ask(s, claim, action_id, seconds, REPLY_SECONDS))

    def answer(self, job_id: UUID, action_id: UUID) -> bool:
        return done(lambda s: lifecycle.answer(s, job_id, action_id))

    def hasten(self, job_id: UUID) -> bool:
        return done(lambda s: lifecycle.hasten(s, job_id))

    def snooze(self, job_id: UUID, seconds: float) -> bool:
        return done(lambda s: lifecycle.snooze(s, job_id, seconds))

    def steer(self, job_id: UUID) -> bool:
        return done(lambda s: lifecycle.steer(s, job_id))

    def hand_over(self, claim: Claim) -> bool:
        return done(lambda s: lifecycle.hand_over(s, claim))

    def let_go(self, claim: Claim) -> bool:
        return done(lambda s: lifecycle.let_go(s, claim.job_id, claim.attempt, claim.lease_id))

    def recover(self, job_id: UUID, attempt: int) -> bool:
        return done(lambda s: lifecycle.recover(s, job_id, attempt))

    def wake(self, job_id: UUID) -> bool:
        return done(lambda s: lifecycle.wake(s, job_id))

    def request_cancel(self, job_id: UUID) -> bool:
        return done(lambda s: lifecycle.request_cancel(s, job_id))

    cancel = staticmethod(cancelling.cancel_job)
    end = staticmethod(finishing.end_abandoned)

    def reap(self) -> set[UUID]:
        """One pass; returns whom it woke."""
        changed = settings().model_copy(update={"max_crashes": self.max_crashes})
        reaper = Reaper(self.app, changed, finishing.end_abandoned, finishing.announce)
        return self._woken(reaper.pass_once)

    def publish_ready(self) -> set[UUID]:
        return self._woken(queue.publish_ready)

    def _woken(self, action: Callable[[], object]) -> set[UUID]:
        redis().delete(queue.REPLIES)
        action()
        return set(wake_ups(redis(), queue.REPLIES))

    def jobs(self) -> dict[UUID, Row[Any]]:
        """Every job with what its reply holds."""
        columns = [Message.content, Message.finish_reason, Message.completed_at, *Job.__table__.c]
        with reading() as session:
            found = session.execute(select(*columns).join(Job, Message.job_id == Job.id))
            return {row.id: row for row in found}

    def outcomes(self) -> dict[UUID, list[tuple[int, str | None]]]:
        """How the attempts of each job ended, in order; None where it runs."""
        found: dict[UUID, list[tuple[int, str | None]]] = {}
        with reading() as session:
            for row in session.scalars(select(Attempt).order_by(Attempt.number)):
                assert (row.ended_at is None) == (row.outcome is None)
                found.setdefault(row.job_id, []).append((row.number, row.outcome))
        return found

    def logged(self) -> dict[str, list[Event]]:
        """The log's events of each message, in order."""
        found: dict[str, list[Event]] = {}
        for thread_id in self.threads:
            for event in log.read_tail(redis(), str(thread_id), count=5_000):
                if event.message_id is not None:
                    found.setdefault(event.message_id, []).append(event)
        return found


def over(column: str, *statuses: Status) -> None:
    """Time passes: the moment in this column is over for all jobs in these states."""
    with transaction() as session:
        session.execute(update(Job).where(Job.status.in_(statuses)).values({column: now(-1)}))


def done(move: Callable[[Session], object]) -> bool:
    """Make the move in a transaction of its own."""
    with transaction() as session:
        return bool(move(session))
