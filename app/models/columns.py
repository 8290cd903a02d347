"""Column types and columns that several tables have."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Dialect
from sqlalchemy.orm import mapped_column
from sqlalchemy.types import TypeDecorator

from app.clock import UtcDateTime, now
from app.ids import new_id

_MILLIONTHS = Decimal(1_000_000)


class Cents(TypeDecorator[Decimal]):
    """Money in cents, kept as whole millionths of a cent: exact, and added up by the database itself."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else int((value * _MILLIONTHS).to_integral_value())

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value) / _MILLIONTHS


Key = Annotated[UUID, mapped_column(primary_key=True, default=new_id)]
Moment = Annotated[datetime, mapped_column(UtcDateTime())]
CreatedAt = Annotated[datetime, mapped_column(UtcDateTime(), default=now())]
JsonObject = Annotated[dict[str, Any], mapped_column(JSON)]
