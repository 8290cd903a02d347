"""Retention: removing what has been deleted or has expired."""

from __future__ import annotations

import structlog
from redis.exceptions import RedisError
from sqlalchemy import delete, select

from app.clock import now
from app.database import reading, transaction
from app.extensions import redis
from app.jobs import lease
from app.models import ACTIVE, IdempotencyKey, Job, LoginSession, Thread
from app.stream import log

_IDEMPOTENCY_SECONDS = 2 * 86_400
_LEASE_SECONDS = 86_400
_BATCH = 100

logger = structlog.get_logger(__name__)


def clean_up() -> None:
    """Remove deleted threads in which nothing runs any more, old idempotency keys, ended sign-ins and dead leases."""
    _remove_threads()
    with transaction() as session:
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < now(-_IDEMPOTENCY_SECONDS)))
        session.execute(delete(LoginSession).where(LoginSession.expires_at < now()))
    lease.forget_lapsed(_LEASE_SECONDS)


def _remove_threads() -> None:
    running = select(Job.id).where(Job.thread_id == Thread.id, Job.status.in_(ACTIVE)).exists()
    with reading() as session:
        ids = session.scalars(select(Thread.id).where(Thread.deleted_at.is_not(None), ~running).limit(_BATCH)).all()
    for thread_id in ids:
        with transaction() as session:
            session.execute(delete(Thread).where(Thread.id == thread_id))
        try:
            log.delete(redis(), str(thread_id))
        except RedisError:
            logger.info("log of a removed thread left to expire", thread_id=str(thread_id))
