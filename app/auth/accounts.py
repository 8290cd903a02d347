"""Accounts: making one, and what its owner may see and change."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.auth import secrets
from app.auth.errors import EmailTaken, SignupClosed, Unauthenticated
from app.database import reading, transaction
from app.extensions import settings
from app.ids import new_id
from app.models import ApiKey, User


class UserObject(BaseModel):
    """One user. `credits` is a decimal string in cents, null where nothing is metered."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: UUID
    external_id: str | None
    email: str
    name: str | None
    image: str | None
    credits: Decimal | None
    preferences: dict[str, Any]
    created_at: datetime


def sign_up(email: str, password: str) -> tuple[UserObject, str]:
    """A new account and its first API key, shown this once. Raises SignupClosed or EmailTaken."""
    if settings().signup == "closed":
        raise SignupClosed("Sign-up is closed on this server; ask its owner for an account.")
    return create(email, password)


def create(email: str, password: str) -> tuple[UserObject, str]:
    """The same, whatever SIGNUP says: for the server's owner."""
    user_id, key = new_id(), secrets.new_key()
    hashed = secrets.hash_password(password)
    try:
        with transaction() as session:
            session.execute(insert(User).values(id=user_id, email=email.lower(), password_hash=hashed))
            session.execute(
                insert(ApiKey).values(
                    user_id=user_id, name="first key", prefix=secrets.shown(key), key_hash=secrets.fingerprint(key)
                )
            )
    except IntegrityError:
        raise EmailTaken("There is an account with this address; sign in instead.") from None
    return get(user_id), key


def get(user_id: UUID) -> UserObject:
    """One account. Raises Unauthenticated when it has gone."""
    with reading() as session:
        row = session.get(User, user_id)
    if row is None:
        raise Unauthenticated("This account does not exist any more.")
    return UserObject.model_validate(row)


def by_password(email: str, password: str) -> UUID:
    """Whose address and password these are. Raises Unauthenticated, alike for both being wrong."""
    with reading() as session:
        row = session.execute(
            select(User.id, User.password_hash).where(User.email == email.lower(), User.disabled_at.is_(None))
        ).one_or_none()
    fits = secrets.password_fits(password, row.password_hash if row is not None else None)
    if row is None or not fits:
        raise Unauthenticated("Address or password is wrong.")
    found: UUID = row.id
    return found


def change(user_id: UUID, changes: dict[str, Any]) -> UserObject:
    """Set name, image or preferences, whichever `changes` has; a preference set to null falls back to the default."""
    with transaction() as session:
        values: dict[str, Any] = {name: changes[name] for name in ("name", "image") if name in changes}
        if "preferences" in changes:
            merged = session.scalars(select(User.preferences).where(User.id == user_id)).one() | changes["preferences"]
            values["preferences"] = {name: value for name, value in merged.items() if value is not None}
        if values:
            session.execute(update(User).where(User.id == user_id).values(**values))
    return get(user_id)


def count() -> int:
    """How many accounts there are."""
    with reading() as session:
        return session.scalars(select(func.count()).select_from(User)).one()


def oldest() -> UUID | None:
    """The first account: the server's owner, whom commands on this machine act for."""
    with reading() as session:
        return session.scalars(select(User.id).order_by(User.id).limit(1)).first()
