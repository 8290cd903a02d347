from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from flask import Flask

from app.database import transaction
from app.extensions import redis, settings
from app.jobs import lifecycle
from app.jobs.reaper import Reaper
from app.models import Status
from app.stream import events, log
from app.stream.events import Event
from tests.support import rows
from tests.support.copy import ROOT
from tests.support.stack import until


@contextmanager
def child(app: Flask, job_id: UUID, lease_seconds: float) -> Iterator[subprocess.Popen[str]]:
    """The miniature worker, which is over its claim and writing once it has said so."""
    urls = (settings().database_url, settings().redis_url)
    command = [sys.executable, "-m", "tests.jobs.writing_child", *urls, str(job_id), str(lease_seconds)]
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str], member: str) -> dict[str, Any]:
    """The next line that has the member; other lines are logs."""
    assert process.stdout is not None
    for line in process.stdout:
        found: dict[str, Any] = json.loads(line)
        if member in found:
            return found
    raise AssertionError(f"the child ended without saying {member!r}")


def attempts(thread_id: str) -> list[int]:
    return [event.attempt for event in log.read_tail(redis(), thread_id)]


def test_a_frozen_process_writes_nothing_once_its_job_is_anothers(app: Flask, reaper: Reaper) -> None:
    job_id = rows.a_job()
    reply = rows.reply_of(job_id)
    thread_id = str(reply.thread_id)
    with child(app, job_id, lease_seconds=1) as frozen:
        said(frozen, "lease")
        until(lambda: len(attempts(thread_id)) > 3, what="some words")
        frozen.send_signal(signal.SIGSTOP)
        until(lambda: reaper.pass_once() or rows.job(job_id).status is Status.PENDING, what="the recovery")
        lease_id = rows.a_lease()
        with transaction() as session:
            assert lifecycle.claim(session, job_id, lease_id, 60, 3)
        log.append(redis(), settings(), [Event(events.PROCESSING, thread_id, str(reply.id), 2)])
        frozen.send_signal(signal.SIGCONT)
        assert said(frozen, "stopped") == {"stopped": "lease lost", "finished": False, "holds": False}
    written = attempts(thread_id)
    assert written == [1] * (len(written) - 1) + [2]
    job = rows.job(job_id)
    assert (job.status, job.attempt, job.lease_id, job.crashes) == (Status.PROCESSING, 2, lease_id, 1)


def test_a_killed_process_loses_its_job_at_once_and_not_only_when_its_lease_lapses(app: Flask, reaper: Reaper) -> None:
    job_id = rows.a_job()
    with child(app, job_id, lease_seconds=3600) as killed:
        said(killed, "lease")
        reaper.pass_once()
        assert rows.job(job_id).status is Status.PROCESSING
        killed.kill()
        killed.wait()
        reaper.pass_once()
    assert (rows.job(job_id).status, rows.job(job_id).crashes) == (Status.PENDING, 1)
