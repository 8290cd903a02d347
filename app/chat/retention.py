"""Retention: removing what has been deleted or has expired."""

from __future__ import annotations

from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.chat import pruning
from app.chat.responding import AGAIN_SECONDS
from app.clock import now
from app.database import reading, transaction
from app.extensions import redis
from app.jobs import lease
from app.models import ACTIVE, IdempotencyKey, Job, LoginSession, Message, Thread
from app.stream import log

_IDEMPOTENCY_SECONDS = 2 * 86_400
_LEASE_SECONDS = 86_400
_BATCH = 100

logger = structlog.get_logger(__name__)


def clean_up() -> None:
    """Remove deleted threads in which nothing runs any more, responses that were removed or not to be stored, old
    idempotency keys, ended sign-ins and dead leases."""
    _delete_emptied_threads()
    _remove_threads()
    _remove_responses()
    with transaction() as session:
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < now(-_IDEMPOTENCY_SECONDS)))
        session.execute(delete(LoginSession).where(LoginSession.expires_at < now()))
    lease.forget_lapsed(_LEASE_SECONDS)


def _delete_emptied_threads() -> None:
    """Delete the threads that were made for responses and have none any more."""
    replies = Message.thread_id == Thread.id, Message.job_id.is_not(None)
    live = exists().where(*replies, or_(Message.removed_at.is_(None), Message.removed_at > now(-AGAIN_SECONDS)))
    removed = select(Message.thread_id).where(Message.removed_at <= now(-AGAIN_SECONDS))
    emptied = (~Thread.lasting, Thread.deleted_at.is_(None), Thread.id.in_(removed), ~live)
    with reading() as session:
        ids = session.scalars(select(Thread.id).where(*emptied).limit(_BATCH)).all()
    if ids:
        with transaction() as session:
            session.execute(update(Thread).where(Thread.id.in_(ids), ~live).values(deleted_at=now()))


def _remove_responses() -> None:
    """Cut those off that nothing stands below, with the items that they were asked for with.

    One that something stands below stays, as what that was written from. So does what somebody removed from a
    conversation's responses: the conversation is still there.
    """
    below = aliased(Message)
    not_stored = Message.parameters["stored"].as_boolean().is_(False)
    ended = (
        select(Message.id, Message.thread_id)
        .join(Thread, Thread.id == Message.thread_id)
        .join(Job, Job.id == Message.job_id)
        .where(Message.removed_at <= now(-AGAIN_SECONDS), Job.status.not_in(ACTIVE))
        .where(or_(~Thread.lasting, not_stored), Thread.deleted_at.is_(None))
        .where(~exists().where(below.parent_id == Message.id))
    )
    with reading() as session:
        found = session.execute(ended.limit(_BATCH)).all()
    for reply_id, thread_id in found:
        with transaction() as session:
            _cut_off(session, thread_id, reply_id)


def _cut_off(session: Session, thread_id: UUID, reply_id: UUID) -> None:
    """Cut off a reply and its items, from the last one up to the first that something else stands below."""
    thread = session.scalars(select(Thread).where(Thread.id == thread_id).with_for_update(key_share=True)).one()
    reply = session.get_one(Message, reply_id)
    rows = [reply, *(session.get(Message, UUID(id_)) for id_ in reversed(reply.parameters.get("items", ())))]
    for row in rows:
        if row is None or session.scalars(select(Message.id).where(Message.parent_id == row.id).limit(1)).first():
            return
        pruning.cut(session, thread, [row])
        session.refresh(thread)


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
