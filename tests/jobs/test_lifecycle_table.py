"""Every transition of the table in every case, on the real SQL: what may change changes, and nothing else does."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.clock import now
from app.database import transaction
from app.extensions import db
from app.ids import new_id
from app.jobs import lifecycle, statements
from app.jobs.transitions import TRANSITIONS, Guard
from app.models import TERMINAL, Attempt, Job, Status
from tests.jobs.transitions import ATTEMPT, CASES, HOLDS, MINE, NOBODYS, Case, Move, Said, allows, moves
from tests.support import rows
from tests.support.copy import ROOT
from tests.support.shared_app import empty

Row = dict[str, Any]
Tables = dict[str, dict[Any, Row]]

ALL_MOVES = list(moves())


class Rows:
    """A job for each case, and a twin beside it in the same state which nobody names."""

    def __init__(self) -> None:
        self.thread_id = rows.a_thread()
        self.leases = {(mine, lapsed): rows.a_lease(-1 if lapsed else 60) for mine in (1, 0) for lapsed in (1, 0)}
        self.predecessors = {
            blocked: rows.a_job(self.thread_id, status=Status.WAITING if blocked else Status.FAILED)
            for blocked in (True, False)
        }
        self.jobs: dict[Case, UUID] = {}
        self.actions: dict[Case, UUID] = {}
        made = [self._row(case) for case in CASES]
        twins = [row | {"id": new_id()} for row in made]
        with transaction() as session:
            for row in made + twins:
                session.execute(insert(Job).values(row))
                session.execute(insert(Attempt).values(job_id=row["id"], number=ATTEMPT - 1, ended_at=now()))
                session.execute(insert(Attempt).values(job_id=row["id"], number=ATTEMPT))

    def _row(self, case: Case) -> Row:
        """Every column holds something else than what a transition may set it to, also where that is not so in life."""
        self.jobs[case], self.actions[case] = new_id(), new_id()
        return {
            "id": self.jobs[case],
            "task": rows.TASK,
            "queue": "replies",
            "thread_id": self.thread_id,
            "after_id": self.predecessors[case.blocked],
            "status": case.status,
            "attempt": ATTEMPT,
            "crashes": case.crashes,
            "lease_id": self._lease(case),
            "wake_at": now(-1 if case.due else 60),
            "settled": "settled text",
            "checkpoint": "settled text and more",
            "score": '[["a score"]]',
            "lost": "lost text",
            "action_id": self.actions[case],
            "action_expires_at": now(30 if case.in_time else -1),
            "deadline_at": None if case.status is Status.PENDING else now(90),
            "next_publish_at": now(-5),
            "cancel_requested_at": now(-1) if case.cancelled else None,
            "finished_at": now(-1) if case.status in TERMINAL else None,
        }

    def _lease(self, case: Case) -> UUID | None:
        if case.under == NOBODYS:
            return None
        mine = case.under == MINE
        return self.leases[mine, case.mine_lapsed if mine else case.others_lapsed]

    def said(self, case: Case) -> Said:
        """What the caller names: the job, an attempt, and its own lease."""
        attempt = ATTEMPT if case.right_attempt else ATTEMPT - 1
        action_id = self.actions[case] if case.right_action else new_id()
        return Said(self.jobs[case], attempt, self.leases[True, case.mine_lapsed], action_id)


@pytest.fixture(scope="module")
def prepared(shared_app: Flask) -> Rows:
    with shared_app.app_context():
        empty()
        return Rows()


class Undone(Exception):
    """Ends a transaction without a trace, so that every move finds the same rows."""


@contextmanager
def undone(app: Flask) -> Iterator[Session]:
    with app.app_context(), suppress(Undone), transaction() as session:
        yield session
        raise Undone


def tables(session: Session) -> Tables:
    """Everything the database holds. Attempts are named by job and number."""
    found: Tables = {}
    for table in db.metadata.sorted_tables:
        held = [dict(row._mapping) for row in session.execute(select(table))]
        found[table.name] = {_key(row): row for row in held}
    return found


def _key(row: Row) -> Any:
    return (row["job_id"], row["number"]) if "number" in row else row["id"]


Changes = dict[tuple[str, Any], dict[str, tuple[Any, Any]]]


def changes(before: Tables, after: Tables) -> Changes:
    """Table and key of each row that differs, with its columns' old and new values."""
    found = {}
    for name, old_rows in before.items():
        for key in old_rows.keys() | after[name].keys():
            old, new = old_rows.get(key, {}), after[name].get(key, {})
            differing = {c: (old.get(c), new.get(c)) for c in old.keys() | new.keys() if old.get(c) != new.get(c)}
            if differing:
                found[name, key] = differing
    return found


@dataclass(frozen=True, slots=True)
class Made:
    """One move made in every case, one after the other, and all that it changed."""

    took_place: set[Case]
    again: set[Case]
    changes: Changes

    def of_jobs(self, prepared: Rows) -> dict[Case, dict[str, tuple[Any, Any]]]:
        """What changed in the jobs that somebody named."""
        found = {case: self.changes.get(("jobs", job_id), {}) for case, job_id in prepared.jobs.items()}
        return {case: differing for case, differing in found.items() if differing}


@pytest.fixture(scope="module", params=ALL_MOVES, ids=str)
def move(request: pytest.FixtureRequest) -> Move:
    made: Move = request.param
    return made


@pytest.fixture(scope="module")
def made(shared_app: Flask, prepared: Rows, move: Move) -> Made:
    with undone(shared_app) as session:
        before = tables(session)
        took_place = {case for case in CASES if move.make(session, prepared.said(case))}
        changed = changes(before, tables(session))
        again = {case for case in took_place if move.make(session, prepared.said(case))}
    return Made(took_place, again, changed)


def test_a_move_takes_place_exactly_where_state_and_guards_allow_it(move: Move, made: Made) -> None:
    allowed = {case for case in CASES if allows(move.transition, case)}
    assert made.took_place ^ allowed == set()
    assert allowed
    assert allowed != set(CASES)


def test_a_move_changes_exactly_its_columns_and_each_of_them_somewhere(move: Move, made: Made, prepared: Rows) -> None:
    of_jobs = made.of_jobs(prepared)
    assert of_jobs.keys() == made.took_place
    assert set().union(*of_jobs.values()) == move.transition.sets
    assert {differing.get("status", (None, None))[1] for differing in of_jobs.values()} == {move.enters}


def test_a_move_changes_no_other_row_but_its_own_attempts(move: Move, made: Made, prepared: Rows) -> None:
    beside = {place: differing for place, differing in made.changes.items() if place[0] != "jobs"}
    assert {key for name, key in made.changes if name == "jobs"} <= set(prepared.jobs.values())
    begun = {("attempts", (prepared.jobs[case], ATTEMPT + 1)) for case in made.took_place}
    ended = {("attempts", (prepared.jobs[case], ATTEMPT)) for case in made.took_place}
    transition = move.transition
    assert beside.keys() == (begun if "attempt" in transition.sets else ended if transition.closes else set())
    if transition.closes:
        assert all(differing.keys() == {"ended_at", "outcome"} for differing in beside.values())


def test_only_what_leaves_neither_state_nor_lease_may_be_made_again(move: Move, made: Made) -> None:
    repeatable = {"checkpoint", "settle", "snooze", "steer", "mark_announced"}
    assert made.again == (made.took_place if move.transition.name in repeatable else set())


def test_every_guard_has_a_meaning_and_makes_a_difference() -> None:
    assert HOLDS.keys() == set(Guard)
    for guard, holds in HOLDS.items():
        assert {holds(case) for case in CASES} == {True, False}, guard
        assert any(guard in transition.guards for transition in TRANSITIONS), guard


def test_the_table_and_lifecycle_have_the_same_transitions() -> None:
    functions = inspect.getmembers(lifecycle, inspect.isfunction)
    own = {name: made for name, made in functions if made.__module__ == lifecycle.__name__ and name[0] != "_"}
    takes_session = {name for name, made in own.items() if "session" in inspect.signature(made).parameters}
    assert sorted(transition.name for transition in TRANSITIONS) == sorted(takes_session)


def test_a_terminal_status_is_left_by_nothing_and_reached_from_every_other() -> None:
    steps = {(old, new) for t in TRANSITIONS for old in t.leaves for new in t.enters}
    assert {old for old, _ in steps} & TERMINAL == set()
    assert {column for t in TRANSITIONS if t.leaves & TERMINAL for column in t.sets} == {"announced_at"}
    ending = set(TERMINAL)
    for _ in Status:
        ending |= {old for old, new in steps if new in ending}
    assert ending == set(Status)


# The wish to be woken is also marked by app/jobs/queue.py, and counted there.
GUARDED = frozenset().union(*(transition.sets for transition in TRANSITIONS)) - {"next_publish_at"}
ELSEWHERE = sorted(path for path in (ROOT / "app").rglob("*.py") if path != Path(inspect.getfile(statements)))


def updated(tree: ast.Module) -> set[str]:
    """The columns that an `update(Job)` of the module sets."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "values":
            statement = ast.unparse(node.func.value)
            if re.match(r"\(?(sa\.|sqlalchemy\.)?update\((table\()?(\w+\.)?Job(\.__table__)?\)", statement):
                found |= {keyword.arg or "**" for keyword in node.keywords} | {ast.unparse(arg) for arg in node.args}
    return found


def assigned(tree: ast.Module) -> set[str]:
    """The columns assigned to an attribute of anything named for a job."""
    targets = [
        target
        for node in ast.walk(tree)
        for target in (node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)])
    ]
    return {x.attr for x in targets if isinstance(x, ast.Attribute) and "job" in ast.unparse(x.value).lower()}


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_module_changes_what_the_transitions_guard(path: Path) -> None:
    source = path.read_text()
    tree = ast.parse(source)
    assert updated(tree) & (GUARDED | {"**"}) == set()
    assert assigned(tree) & GUARDED == set()
    assert not re.search(r"(?i)\bupdate\s+jobs\b", source)


def test_the_search_for_updates_finds_those_of_statements_and_queue() -> None:
    found = {
        name: updated(ast.parse((ROOT / "app" / "jobs" / name).read_text())) for name in ("statements.py", "queue.py")
    }
    assert found == {"statements.py": {"**"}, "queue.py": {"next_publish_at", "publishes"}}
