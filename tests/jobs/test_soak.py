"""Workers that freeze, lose their leases and wake up too late, for some seconds: one writer, one end (G2, G3)."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from app.chat import finishing
from app.chat.outcome import Outcome
from app.database import reading, transaction
from app.extensions import redis, settings
from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.jobs.reaper import Reaper
from app.models import TERMINAL, Job, Message, Status
from app.stream import events, log
from app.stream.events import Event
from tests.support import rows

SECONDS = 3.0
LONGEST_SECONDS = 30.0  # a slow machine gets as far in its own time
ENDS = 6
WORKERS = 4
JOBS = 60
SEED = 20261121


class Soak:
    """The jobs, and what the workers were allowed to do to them."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.thread_id = rows.a_thread()
        self.jobs = [rows.a_job(self.thread_id) for _ in range(JOBS)]
        self.over = threading.Event()
        self.failures: list[Exception] = []
        self.ends: dict[UUID, set[tuple[Any, ...]]] = defaultdict(set)
        self.late = 0

    @property
    def says_something(self) -> bool:
        """Whether somebody has woken up too late, and enough jobs have ended."""
        return self.late > 0 and len(self.ends) >= ENDS

    def work(self, number: int) -> None:
        """One worker: claims, writes, and sometimes freezes until its lease has lapsed."""
        chance = random.Random(SEED + number)
        while not self.over.is_set():
            lease_id = rows.a_lease(60)
            with transaction() as session:
                claim = lifecycle.claim(session, chance.choice(self.contested()), lease_id, 60, 3)
            if claim is not None:
                self.write(claim, chance)

    def contested(self) -> list[UUID]:
        """The few jobs that all workers are after: the frozen ones shall wake up among others at work."""
        return [job_id for job_id in self.jobs if job_id not in self.ends][:3] or self.jobs

    def write(self, claim: Claim, chance: random.Random) -> None:
        text = ""
        for _ in range(chance.randrange(1, 6)):
            if chance.random() < 0.3:
                self.freeze(claim)
            time.sleep(chance.random() * 0.02)  # the work itself
            text += f"{claim.attempt} "
            self.append(claim, text)
            self.guarded(claim, text)
        if chance.random() < 0.2:
            with transaction() as session:
                lifecycle.hand_over(session, claim)
        elif chance.random() < 0.8:
            finishing.finish(claim, Outcome(Status.COMPLETED, text, "stop"))
        else:
            rows.lapse(claim.lease_id)  # it has died; three such jobs would hold up all others for a minute

    def freeze(self, claim: Claim) -> None:
        """The macro rule: freeze, the lease lapses, the reaper and another worker move on, the frozen one wakes up."""
        rows.lapse(claim.lease_id)
        deadline = time.monotonic() + 1
        while rows.job(claim.job_id).attempt == claim.attempt and time.monotonic() < deadline:
            if rows.job(claim.job_id).status in TERMINAL or self.over.is_set():
                return
            time.sleep(0.005)  # before it looks again

    def append(self, claim: Claim, text: str) -> None:
        message = str(rows.reply_of(claim.job_id).id)
        fields = {"offset": len(text), "text": text}
        event = Event(events.RESET, str(claim.thread_id), message, claim.attempt, fields)
        self.late += not isinstance(log.append(redis(), settings(), [event])[0], str)

    def guarded(self, claim: Claim, text: str) -> None:
        """A write that took place did so under the row's own attempt: read again inside the same transaction."""
        with transaction() as session:
            if lifecycle.checkpoint(session, claim, text):
                row = session.execute(select(Job.attempt, Job.lease_id).where(Job.id == claim.job_id)).one()
                assert tuple(row) == (claim.attempt, claim.lease_id)
            else:
                self.late += 1

    def reap(self, _: int) -> None:
        reaper = Reaper(self.app, settings(), finishing.end_abandoned, finishing.announce)
        while not self.over.is_set():
            reaper.pass_once()
            self.look()

    def look(self) -> None:
        """Note how every ended reply looks; none may ever look otherwise."""
        columns = [Job.id, Job.status, Job.attempt, Message.content, Message.finish_reason, Message.completed_at]
        with reading() as session:
            ended = session.execute(
                select(*columns).join(Message, Message.job_id == Job.id).where(Job.status.in_(TERMINAL))
            ).all()
        for row in ended:
            self.ends[row.id].add(tuple(row))

    def run(self, action: Any, number: int) -> None:
        with self.app.app_context():
            try:
                action(number)
            except Exception as error:
                self.failures.append(error)
                self.over.set()


@pytest.fixture
def soak(app: Flask) -> Soak:
    soaking = Soak(app)
    actions = [(soaking.work, number) for number in range(WORKERS)] + [(soaking.reap, 0), (soaking.reap, 1)]
    threads = [threading.Thread(target=soaking.run, args=action) for action in actions]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    while not soaking.over.wait(SECONDS) and not soaking.says_something and time.monotonic() - began < LONGEST_SECONDS:
        pass
    soaking.over.set()
    for thread in threads:
        thread.join(30)
    return soaking


def test_whoever_freezes_and_wakes_there_is_one_writer_and_one_end(soak: Soak) -> None:
    assert soak.failures == []
    soak.look()
    assert soak.says_something, f"{soak.late} woke up too late, {len(soak.ends)} ended: the test tests nothing"
    assert {job_id: seen for job_id, seen in soak.ends.items() if len(seen) > 1} == {}
    attempts: dict[str, list[int]] = defaultdict(list)
    ended: dict[str, int] = defaultdict(int)
    for event in log.read_tail(redis(), str(soak.thread_id), count=100_000):
        if event.message_id is not None:
            assert ended[event.message_id] == 0, "an event after the end"
            attempts[event.message_id].append(event.attempt)
            ended[event.message_id] += event.is_terminal
    assert all(numbers == sorted(numbers) for numbers in attempts.values())
    for job_id in soak.jobs:
        job = rows.job(job_id)
        assert sorted(rows.outcomes(job_id)) == list(range(1, job.attempt + 1))
        assert job.crashes <= settings().max_crashes
