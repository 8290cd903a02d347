"""Users: who posts messages."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from app.clock import UtcDateTime
from app.extensions import Base
from app.models.columns import Cents, CreatedAt, Key


class User(Base):
    """A person or a program with an account. `credits` is null where nothing is metered."""

    __tablename__ = "users"

    id: Mapped[Key]
    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    email: Mapped[str] = mapped_column(String(320), unique=True)
    name: Mapped[str | None] = mapped_column(String(200))
    image: Mapped[str | None] = mapped_column(String(2000))
    password_hash: Mapped[str] = mapped_column(String(200))
    credits: Mapped[Decimal | None] = mapped_column(Cents())
    preferences: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[CreatedAt]
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
