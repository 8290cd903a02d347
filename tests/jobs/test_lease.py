from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.clock import now
from app.database import reading
from app.jobs import lease
from app.jobs.process import ProcessId
from app.models import Job, Status, WorkerLease
from tests.support import rows
from tests.support.stack import until

pytestmark = pytest.mark.usefixtures("app")


def lives(lease_id: UUID) -> bool:
    with reading() as session:
        alive = select(WorkerLease.id).where(WorkerLease.id == lease_id, WorkerLease.expires_at > now())
        return session.scalars(alive).first() is not None


def seconds_left(lease_id: UUID) -> float:
    with reading() as session:
        row = session.execute(select(WorkerLease.expires_at, now()).where(WorkerLease.id == lease_id)).one()
        return float((row[0] - row[1]).total_seconds())


def exists(lease_id: UUID) -> bool:
    with reading() as session:
        return session.get(WorkerLease, lease_id) is not None


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def stat(process: subprocess.Popen[bytes]) -> list[str]:
    """What the system tells of it, from its state on."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()


def process_of(process: subprocess.Popen[bytes]) -> ProcessId:
    here = ProcessId.of_this()
    return ProcessId(here.host, here.boot_id, process.pid, float(stat(process)[19]))


def test_a_lease_lasts_as_long_as_it_was_taken_or_renewed_for() -> None:
    lease_id = lease.take(ProcessId.of_this(), 20)
    assert 19 < seconds_left(lease_id) <= 20
    assert lease.renew(lease_id, 50)
    assert 49 < seconds_left(lease_id) <= 50


def test_a_lease_that_has_lapsed_cannot_be_renewed() -> None:
    lease_id = lease.take(ProcessId.of_this(), 20)
    rows.lapse(lease_id)
    assert not lease.renew(lease_id, 50)
    assert not lives(lease_id)


def test_a_lease_given_back_has_lapsed() -> None:
    lease_id = lease.take(ProcessId.of_this(), 20)
    assert lives(lease_id)
    lease.give_back(lease_id)
    assert not lives(lease_id)


def test_the_lease_of_a_killed_process_lapses_at_once_even_before_anybody_has_waited_for_it(
    child: subprocess.Popen[bytes],
) -> None:
    lease_id = lease.take(process_of(child), 60)
    assert lease.lapse_the_dead() == 0
    child.kill()
    until(lambda: stat(child)[0] == "Z", what="the child's end")
    assert lease.lapse_the_dead() == 1
    assert not lives(lease_id)
    assert lease.lapse_the_dead() == 0


def test_a_pid_that_was_given_to_another_process_proves_the_first_one_dead(child: subprocess.Popen[bytes]) -> None:
    alive = process_of(child)
    earlier = ProcessId(alive.host, alive.boot_id, alive.pid, alive.pid_started - 1)
    assert (alive.proven_dead(), earlier.proven_dead()) == (False, True)
    child.kill()
    child.wait()
    assert alive.proven_dead()


@pytest.mark.parametrize("other", ["host", "boot_id"])
def test_nothing_is_proven_about_a_process_of_another_machine_boot_or_container(other: str) -> None:
    here = ProcessId.of_this()
    gone: dict[str, Any] = {"host": here.host, "boot_id": here.boot_id, "pid": 2**22 + 1, "pid_started": 1.0}
    assert ProcessId(**gone).proven_dead()
    elsewhere = ProcessId(**(gone | {other: "another"}))
    assert not elsewhere.proven_dead()
    lease_id = lease.take(elsewhere, 60)
    assert lease.lapse_the_dead() == 0
    assert lives(lease_id)


def test_a_container_that_shares_the_hosts_name_is_told_apart_by_its_pids_namespace() -> None:
    assert "pid:[" in ProcessId.of_this().boot_id


def test_leases_that_lapsed_long_ago_are_forgotten_unless_they_hold_something() -> None:
    old, recent, holding = rows.a_lease(-200), rows.a_lease(-5), rows.a_lease(-200)
    job_id = rows.processing(holding)
    lease.forget_lapsed(100)
    assert [exists(id_) for id_ in (old, recent, holding)] == [False, True, True]
    rows.set_job(job_id, status=Status.COMPLETED)
    lease.forget_lapsed(100)
    assert not exists(holding)
    with reading() as session:
        assert session.scalars(select(Job.lease_id).where(Job.id == job_id)).one() is None
