"""API keys of a user: listed without their secret, made, revoked."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import insert, select, update
from sqlalchemy.engine import CursorResult

from app.auth import secrets
from app.clock import now
from app.database import reading, transaction
from app.ids import new_id
from app.models import ApiKey


class KeyObject(BaseModel):
    """One key; `key` is there only in the answer that made it."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: UUID
    name: str
    prefix: str
    key: str | None = None
    created_at: datetime
    revoked_at: datetime | None


def listed(user_id: UUID) -> list[KeyObject]:
    """The user's keys, oldest first, revoked ones included."""
    with reading() as session:
        rows = session.scalars(select(ApiKey).where(ApiKey.user_id == user_id).order_by(ApiKey.id)).all()
    return [KeyObject.model_validate(row) for row in rows]


def create(user_id: UUID, name: str) -> KeyObject:
    """A new key, its secret shown this once."""
    key, id_ = secrets.new_key(), new_id()
    with transaction() as session:
        session.execute(
            insert(ApiKey).values(
                id=id_, user_id=user_id, name=name, prefix=secrets.shown(key), key_hash=secrets.fingerprint(key)
            )
        )
        row = session.get_one(ApiKey, id_)
    return KeyObject.model_validate(row).model_copy(update={"key": key})


def revoke(user_id: UUID, key_id: UUID) -> bool:
    """Make the key worthless from now on; False when there is no such key of the user."""
    with transaction() as session:
        result = session.execute(
            update(ApiKey)
            .where(ApiKey.id == key_id, ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
            .values(revoked_at=now())
        )
        assert isinstance(result, CursorResult)
        return result.rowcount == 1
