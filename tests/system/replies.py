"""What database and log hold of a reply, read past all processes."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import create_engine, select
from sqlalchemy.pool import NullPool

from app.models import Attempt, Job, Message, WorkerLease
from tests.clients import Posted
from tests.support.reader import TERMINAL
from tests.support.stack import until
from tests.system.scene import Scene


class Row(NamedTuple):
    """What the database has of a reply's job; `pid` is the process that holds it, if one does."""

    status: str
    attempt: int
    crashes: int
    waits: int
    pid: int | None
    outcomes: list[str | None]


def row(scene: Scene, posted: Posted) -> Row:
    """The row behind a reply, read past all processes."""
    job = select(Job.status, Job.attempt, Job.crashes, Job.waits, WorkerLease.pid, Job.id)
    job = job.join(Message, Message.job_id == Job.id).outerjoin(WorkerLease, WorkerLease.id == Job.lease_id)
    engine = create_engine(scene.stack.database_url, poolclass=NullPool)
    with engine.connect() as connection:
        *found, id_ = connection.execute(job.where(Message.id == UUID(posted.id))).one()
        attempts = select(Attempt.outcome).where(Attempt.job_id == id_).order_by(Attempt.number)
        return Row(*found, list(connection.scalars(attempts)))


def holder(scene: Scene, posted: Posted) -> str:
    """The name of the worker that writes the reply."""
    pids = {process.pid: name for name, process in scene.stack.processes.items()}
    return pids[until(lambda: row(scene, posted).pid, what="a worker's claim")]


def timed_events(scene: Scene, posted: Posted) -> list[tuple[float, dict[str, Any]]]:
    """What the thread's log holds of the reply, each with when Redis got it, in time.time()."""
    with scene.stack.redis() as redis:
        entries = redis.xrange(f"thread:{{{posted.thread_id}}}:events")
    found = [(int(cursor.partition("-")[0]) / 1000, json.loads(fields["e"])) for cursor, fields in entries]
    return [(at, event) for at, event in found if event.get("message_id") == posted.id]


def events(scene: Scene, posted: Posted) -> list[dict[str, Any]]:
    """What the thread's log holds of the reply."""
    return [event for _, event in timed_events(scene, posted)]


def assert_written_once(scene: Scene, posted: Posted, text: str) -> None:
    """Completed with the whole text; one last event; no attempt's event after a later attempt's."""
    stored = scene.posted[posted.id].client.get(f"/api/messages/{posted.id}").json()
    assert (stored["status"], stored["content"]) == ("completed", text)
    seen = events(scene, posted)
    assert len([event for event in seen if event["type"] in TERMINAL]) == 1
    attempts = [event["attempt"] for event in seen]
    assert attempts == sorted(attempts)
