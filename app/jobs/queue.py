"""Wake-ups on the broker: only ever a hint that a row is ready; the row is the truth."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

import structlog
from kombu.exceptions import OperationalError
from kombu.pools import ProducerPool, producers
from redis import Connection
from redis.exceptions import RedisError
from sqlalchemy import Row, bindparam, case, select, update
from sqlalchemy.orm import Session

from app.clock import now
from app.database import glance, transaction
from app.extensions import celery, settings
from app.jobs.statements import UNBLOCKED
from app.models import Job, Status
from app.models.columns import table
from app.redis_client import trusting

REPLIES = "replies"
MAINTENANCE = "maintenance"

# A wake-up nobody obeyed was lost, or the workers are busy: sent again after 5, 10, then every 15 seconds.
FIRST_AGAIN_SECONDS = 5
_AGAIN = case((Job.publishes == 0, now(FIRST_AGAIN_SECONDS)), (Job.publishes == 1, now(10)), else_=now(15))

# Built once: to build a statement costs more than to send it.
_job = table(Job).c
_SUCCESSORS = select(_job.id, _job.task, _job.queue).where(
    _job.after_id == bindparam("job"), _job.status == Status.PENDING, UNBLOCKED
)

_CONNECTION = trusting(Connection)

# Not again, the reaper does that; and a queue is a list in Redis, which needs no declaring.
_ONCE: dict[str, Any] = {"retry": False, "declare": ()}

log = structlog.get_logger(__name__)


@cache
def _producers(url: str, timeout_seconds: float) -> ProducerPool:
    """Connections of their own: a worker's others try for ever to reach a lost broker, these give up at once."""
    limits = {"socket_timeout": timeout_seconds, "socket_connect_timeout": timeout_seconds, "max_retries": 0}
    pool: ProducerPool = producers[celery.connection_for_write(url, transport_options=limits)]
    return pool


def publish(job_id: UUID, task: str, queue: str) -> bool:
    """Send one wake-up, after the commit of its row. False when the broker cannot be reached: the reaper repeats it.

    `send_task` calls the same two, after it has asked for routes, a parent and a result, which ours have not, and has
    looked for what is too long to be shown; together a third of its time.
    """
    quick = _producers(settings().redis_url, settings().redis_timeout_seconds)
    try:
        with quick.acquire(block=True) as producer:
            _quicken(producer.channel)
            id_ = str(job_id)
            shown = {"argsrepr": f"['{id_}']", "kwargsrepr": "{}"}
            message = celery.amqp.create_task_message(id_, task, [id_], ignore_result=True, **shown)
            celery.amqp.send_task_message(producer, task, message, queue=queue, **_ONCE)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("wake-up not sent; the reaper will", job_id=str(job_id), error=type(error).__name__)
        return False
    return True


def _quicken(channel: Any) -> None:
    """Let one client of Redis send all messages of this channel, over connections that are trusted."""
    if channel.connection_class is not _CONNECTION:
        channel.connection_class = _CONNECTION  # for the pool that it makes with its first message
        channel.Client = cache(channel.Client)  # kombu would make one for each message, a fifth of what that costs


def publish_ready(limit: int = 500) -> int:
    """Send the wake-ups that are due: never sent, lost, or unblocked by an end. Returns how many were sent.

    The rows are marked first, so that several processes doing this share the work instead of repeating it. Once the
    broker cannot be reached the rest waits for its next turn: each further try would wait for it as long.
    """
    ready = (
        select(Job.id)
        .where(Job.status == Status.PENDING, Job.next_publish_at <= now(), UNBLOCKED)
        .order_by(Job.next_publish_at)
        .limit(limit)
    )
    with glance() as connection:  # nearly always nothing: do not take the writers' lock to learn it
        if connection.scalars(ready.limit(1)).first() is None:
            return 0
    with transaction() as session:
        due = session.execute(
            update(Job)
            .where(Job.id.in_(ready), Job.status == Status.PENDING, Job.next_publish_at <= now())
            .values(next_publish_at=_AGAIN, publishes=Job.publishes + 1)
            .returning(Job.id, Job.task, Job.queue),
            execution_options={"synchronize_session": False},
        ).all()
    sent = itertools.takewhile(bool, (publish(row.id, row.task, row.queue) for row in due))
    return sum(sent)


def successors(session: Session, job_id: UUID) -> Sequence[Row[UUID, str, str]]:
    """The jobs that waited for this one, which has ended: what `publish` takes of each."""
    return session.execute(_SUCCESSORS, {"job": job_id}).all()
