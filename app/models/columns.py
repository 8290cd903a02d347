"""Column types and columns that several tables have."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, cast
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ColumnElement, Dialect, Index, Table, inspect, text
from sqlalchemy.orm import mapped_column
from sqlalchemy.types import TypeDecorator

from app.clock import UtcDateTime, now
from app.extensions import Base
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


def partial(name: str, column: str, where: str | None = None) -> Index:
    """An index over the rows where `where` holds, by default those with a value there.

    Every row that is written costs a page in each index that it is in, in SQLite two writes to its log.
    """
    some = text(where or f"{column} IS NOT NULL")
    return Index(name, column, sqlite_where=some, postgresql_where=some)


def table(model: type[Base]) -> Table:
    """The model's table, for statements without the ORM's work for each row."""
    return cast("Table", model.__table__)


def defaults(model: type[Base]) -> dict[str, Any]:
    """The values that SQLAlchemy gives to columns that nobody names, where these are the same for all rows."""
    given: list[tuple[str, Any]] = [(column.name, column.default) for column in table(model).c]
    return {name: default.arg for name, default in given if default is not None and default.is_scalar}


def attributes(model: type[Base]) -> list[ColumnElement[Any]]:
    """All columns of a model under its attributes' names, so that a row of them can stand for an object."""
    return [attribute.columns[0].label(attribute.key) for attribute in inspect(model).column_attrs]
