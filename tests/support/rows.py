"""Rows for tests of the lower floors, written without the use cases above them; everything else about them is real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from app.clock import now
from app.database import reading, transaction
from app.ids import new_id
from app.models import Attempt, Job, Message, Status, Thread, User, WorkerLease

TASK = "tasks.process_message"


def a_user(**values: Any) -> UUID:
    """A user with an address of its own."""
    id_ = new_id()
    defaults = {"email": f"{id_}@example.com", "password_hash": "none"}
    with transaction() as session:
        session.execute(insert(User).values(id=id_, **(defaults | values)))
    return id_


def a_thread(user_id: UUID | None = None, **values: Any) -> UUID:
    """An empty thread."""
    id_ = new_id()
    user_id = user_id or a_user()
    with transaction() as session:
        session.execute(insert(Thread).values(id=id_, user_id=user_id, **values))
    return id_


def a_job(thread_id: UUID | None = None, **values: Any) -> UUID:
    """A job, pending unless told otherwise, with the reply it writes."""
    id_ = new_id()
    thread_id = thread_id or a_thread()
    message = {"role": "assistant", "model_id": "scripted/echo", "job_id": id_, "thread_id": thread_id}
    with transaction() as session:
        owner = session.scalars(select(Thread.user_id).where(Thread.id == thread_id)).one()
        session.execute(insert(Job).values(id=id_, task=TASK, queue="replies", thread_id=thread_id, **values))
        session.execute(insert(Message).values(user_id=owner, **message))
        if number := values.get("attempt"):
            session.execute(insert(Attempt).values(job_id=id_, number=number, lease_id=values.get("lease_id")))
    return id_


def a_lease(seconds: float = 60, **values: Any) -> UUID:
    """A lease of a process on another machine, about which nothing can be proven."""
    id_ = new_id()
    process = {"host": "elsewhere", "boot_id": "another", "pid": 1, "pid_started": 1.0}
    with transaction() as session:
        session.execute(insert(WorkerLease).values(id=id_, expires_at=now(seconds), **(process | values)))
    return id_


def processing(lease_id: UUID, **values: Any) -> UUID:
    """A job in its first attempt under `lease_id`."""
    return a_job(**({"status": Status.PROCESSING, "attempt": 1, "lease_id": lease_id} | values))


def lapse(lease_id: UUID) -> None:
    """Let the lease's time be over."""
    set_lease(lease_id, expires_at=now(-0.001))


def set_lease(lease_id: UUID, **values: Any) -> None:
    """Change the lease's row."""
    with transaction() as session:
        session.execute(update(WorkerLease).where(WorkerLease.id == lease_id).values(**values))


def set_job(job_id: UUID, **values: Any) -> None:
    """Change the job's row."""
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**values))


def job(job_id: UUID) -> Job:
    """The job's row."""
    with reading() as session:
        return session.scalars(select(Job).where(Job.id == job_id)).one()


def reply_of(job_id: UUID) -> Message:
    """The message that the job writes."""
    with reading() as session:
        return session.scalars(select(Message).where(Message.job_id == job_id)).one()


def outcomes(job_id: UUID) -> Mapping[int, str | None]:
    """How each attempt ended; None while it runs."""
    with reading() as session:
        rows = session.execute(select(Attempt.number, Attempt.outcome).where(Attempt.job_id == job_id))
        return {row.number: row.outcome for row in rows}
