"""The principal of a request: whose it is, and by which credential."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import BindParameter, Connection, Select, bindparam, select
from sqlalchemy.orm import Session

from app.auth import secrets
from app.clock import now
from app.database import glance, reading
from app.ids import parse_id
from app.models import ApiKey, LoginSession, User
from app.models.columns import table

_key, _session, _user = table(ApiKey).c, table(LoginSession).c, table(User).c
_BY_KEY = (
    select(_key.id, _key.user_id)
    .join_from(table(ApiKey), table(User), _user.id == _key.user_id)
    .where(_key.key_hash == bindparam("fingerprint"), _key.revoked_at.is_(None), _user.disabled_at.is_(None))
)
_ids: BindParameter[list[UUID]] = bindparam("ids", expanding=True)
_KEYS = (
    select(_key.id, _key.user_id)
    .join_from(table(ApiKey), table(User), _user.id == _key.user_id)
    .where(_key.id.in_(_ids), _key.revoked_at.is_(None), _user.disabled_at.is_(None))
)
_SESSIONS = (
    select(_session.id, _session.user_id)
    .join_from(table(LoginSession), table(User), _user.id == _session.user_id)
    .where(
        _session.id.in_(_ids),
        _session.revoked_at.is_(None),
        _session.expires_at > now(),
        _user.disabled_at.is_(None),
    )
)


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, and the key or session that proves it; `credential` is checked again while a stream is open."""

    user_id: UUID
    kind: Literal["key", "session"]
    credential_id: UUID

    @property
    def credential(self) -> str:
        """The credential's name, e.g. `key:0192…`."""
        return f"{self.kind}:{self.credential_id}"


def by_key(token: str) -> Principal | None:
    """The owner of a Bearer key, if it is valid."""
    with glance() as connection:
        row = connection.execute(_BY_KEY, {"fingerprint": secrets.fingerprint(token)}).one_or_none()
    return Principal(row.user_id, "key", row.id) if row is not None else None


def by_session(session_id: str) -> Principal | None:
    """The owner of a sign-in, if it is valid."""
    id_ = parse_id(session_id)
    if id_ is None:
        return None
    with glance() as connection:
        owner = _owners(connection, _SESSIONS, {id_}).get(id_)
    return Principal(owner, "session", id_) if owner is not None else None


def valid(credentials: set[str]) -> frozenset[str]:
    """Those of `credentials` that may still be used."""
    with reading() as session:
        return frozenset(owners(session, credentials))


def owners(session: Session, credentials: set[str]) -> Mapping[str, UUID]:
    """Which of `credentials` are valid now, and whose: two queries for all of them."""
    ids: dict[str, set[UUID]] = {"key": set(), "session": set()}
    for credential in credentials:
        kind, _, id_ = credential.partition(":")
        ids[kind].add(UUID(id_))
    found = {f"session:{id_}": owner for id_, owner in _owners(session, _SESSIONS, ids["session"]).items()}
    return found | {f"key:{id_}": owner for id_, owner in _owners(session, _KEYS, ids["key"]).items()}


def _owners(asked: Session | Connection, statement: Select[tuple[UUID, UUID]], ids: set[UUID]) -> dict[UUID, UUID]:
    return {row.id: row.user_id for row in asked.execute(statement, {"ids": list(ids)})} if ids else {}
