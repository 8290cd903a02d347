"""Idempotency: a repeated POST gets the first answer again, whoever wins the race."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.chat.errors import KeyReused
from app.database import reading
from app.models import IdempotencyKey


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: status, Location header and body, byte for byte."""

    status: int
    location: str | None
    body: bytes


class Repeated(Exception):
    """The key was used before; `answer` is what was answered then."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("repeated request")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Once:
    """One request's key; claimed first and kept last in the transaction that creates."""

    user_id: UUID
    key: str
    fingerprint: str

    def claim(self, session: Session) -> None:
        """Insert the key; waits for a parallel holder of it. Raises Repeated or KeyReused when it exists."""
        try:
            session.execute(
                insert(IdempotencyKey).values(user_id=self.user_id, key=self.key, fingerprint=self.fingerprint)
            )
        except IntegrityError:
            session.rollback()
            raise self._found() from None

    def keep(self, session: Session, answer: Answer) -> None:
        """Store the answer beside what it answers."""
        session.execute(
            update(IdempotencyKey)
            .where(IdempotencyKey.user_id == self.user_id, IdempotencyKey.key == self.key)
            .values(status=answer.status, location=answer.location, body=answer.body)
        )

    def _found(self) -> Exception:
        with reading() as session:
            row = session.scalars(
                select(IdempotencyKey).where(IdempotencyKey.user_id == self.user_id, IdempotencyKey.key == self.key)
            ).one()
        if row.fingerprint != self.fingerprint:
            return KeyReused()
        return Repeated(Answer(row.status, row.location, bytes(row.body)))
