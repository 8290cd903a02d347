"""Sign-ins as rows: begun, ended."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert, update

from app.clock import now
from app.database import transaction
from app.extensions import settings
from app.ids import new_id
from app.models import LoginSession

_DAY_SECONDS = 86_400


def begin(user_id: UUID, address: str | None, user_agent: str | None) -> UUID:
    """A new sign-in; always a new id, so that one planted in a browser beforehand is worth nothing."""
    id_ = new_id()
    with transaction() as session:
        session.execute(
            insert(LoginSession).values(
                id=id_,
                user_id=user_id,
                address=(address or "")[:64] or None,  # behind a proxy it is what a header says
                user_agent=(user_agent or "")[:300],
                expires_at=now(settings().session_days * _DAY_SECONDS),
            )
        )
    return id_


def end(session_id: UUID) -> None:
    """Sign out: the cookie is worthless from now on, wherever it was copied."""
    with transaction() as session:
        session.execute(update(LoginSession).where(LoginSession.id == session_id).values(revoked_at=now()))
