from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clock import now
from app.database import transaction
from app.models import TERMINAL, Attempt, Job, Status
from tests.jobs.transitions import CASES, TRANSITIONS, Case, Transition
from tests.support import rows
from tests.support.shared_app import empty

ATTEMPT = 3
Tables = dict[UUID, tuple[UUID, tuple[Any, ...]]]


class Cases:
    """The jobs of all cases, each with a bystander in the same state."""

    def __init__(self) -> None:
        self.thread_id = rows.a_thread()
        self.leases = {"mine": rows.a_lease(), "other": rows.a_lease(), "lapsed": rows.a_lease(-1)}
        self.jobs = {case: (self.make(case), self.make(case)) for case in CASES}

    def make(self, case: Case) -> UUID:
        return rows.a_job(
            self.thread_id,
            status=case.status,
            attempt=ATTEMPT,
            lease_id=self.leases[case.owner] if case.status is Status.PROCESSING else None,
            wake_at=now(-1 if case.due else 60) if case.status is Status.WAITING else None,
            finished_at=now(-1) if case.status in TERMINAL else None,
            checkpoint="" if case.status in TERMINAL else "old text",
        )

    def named(self, case: Case) -> tuple[UUID, int, UUID]:
        """What the caller says: the job, an attempt, and a lease."""
        lease = self.leases["mine" if case.owner == "other" else case.owner]
        return self.jobs[case][0], ATTEMPT if case.right_attempt else ATTEMPT - 1, lease


@pytest.fixture(scope="module")
def cases(shared_app: Flask) -> Cases:
    with shared_app.app_context():
        empty()
        return Cases()


class Undone(Exception):
    """Ends a transaction without a trace, so that every case finds the same rows."""


@contextmanager
def undone(app: Flask) -> Iterator[Session]:
    with app.app_context(), suppress(Undone), transaction() as session:
        yield session
        raise Undone


def tables(session: Session) -> Tables:
    """Every job and attempt: its job's id and all it holds."""
    jobs = {row.id: (row.id, tuple(row)) for row in session.execute(select(Job.__table__))}
    return jobs | {row.id: (row.job_id, tuple(row)) for row in session.execute(select(Attempt.__table__))}


def changed(before: Tables, after: Tables) -> set[UUID]:
    """The jobs that have changed, or whose attempts have."""
    differing = {id_ for id_ in before.keys() | after.keys() if before.get(id_) != after.get(id_)}
    return {(after.get(id_) or before[id_])[0] for id_ in differing}


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda t: t.name.replace(" ", "-"))
def test_a_transition_changes_exactly_its_row_and_only_where_it_is_allowed(
    shared_app: Flask, cases: Cases, transition: Transition
) -> None:
    with undone(shared_app) as session:
        before = tables(session)
    wrong = []
    for case in CASES:
        with undone(shared_app) as session:
            took_place = bool(transition.move(session, *cases.named(case)))
            touched = changed(before, tables(session))
        if took_place != transition.allowed(case) or touched != ({cases.jobs[case][0]} if took_place else set()):
            wrong.append((case, took_place, touched))
    assert wrong == []
    assert {transition.allowed(case) for case in CASES} == {True, False}


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda t: t.name.replace(" ", "-"))
def test_a_transition_that_leaves_its_state_takes_place_once(
    shared_app: Flask, cases: Cases, transition: Transition
) -> None:
    again = set()
    for case in filter(transition.allowed, CASES):
        with undone(shared_app) as session:
            transition.move(session, *cases.named(case))
            again.add(bool(transition.move(session, *cases.named(case))))
    assert again == {transition.name in {"checkpoint", "mark as announced"}}
