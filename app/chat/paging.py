"""Cursors of lists: where the next page begins, sealed so that clients do not build on what is inside."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

from app.chat.errors import InvalidField

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list; `next_cursor` is None on the last."""

    items: Sequence[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """The last row of a page: its sort value and, for rows of equal value, its id."""

    moment: datetime
    id: UUID

    def seal(self) -> str:
        """As an opaque text."""
        inner = json.dumps([self.moment.astimezone(UTC).isoformat(), str(self.id)])
        return base64.urlsafe_b64encode(inner.encode()).decode().rstrip("=")

    @classmethod
    def unseal(cls, cursor: str) -> Place:
        """Raises InvalidField for anything `seal` did not make."""
        try:
            moment, id_ = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
            return cls(datetime.fromisoformat(moment).astimezone(UTC), UUID(id_))
        except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error):
            raise InvalidField("cursor", "is no cursor of this list; use next_cursor as it was given") from None
