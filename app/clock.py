"""The database's clock, which alone decides leases, waits and deadlines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Dialect, Float, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC: `timestamptz` on PostgreSQL, sortable text of one fixed width on SQLite."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function it is
    """The start of the running statement by the database's clock, plus `seconds`.

    The statement's time, not the transaction's: a transaction may have waited for a lock.
    """

    inherit_cache = True
    type = UtcDateTime()

    def __init__(self, seconds: float | ColumnElement[float] | None = None) -> None:
        given = literal(float(seconds), Float) if isinstance(seconds, int | float) else seconds
        super().__init__(*() if given is None else (given,))


@compiles(now, "sqlite")
def _sqlite(element: now, compiler: SQLCompiler, **kwargs: Any) -> str:
    # %f has milliseconds; three zeros make the width SQLAlchemy writes, so that texts compare as moments.
    seconds = compiler.process(element.clauses, **kwargs)
    later = f", printf('%+.3f seconds', {seconds})" if seconds else ""
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now'{later})"


@compiles(now, "postgresql")
def _postgresql(element: now, compiler: SQLCompiler, **kwargs: Any) -> str:
    seconds = compiler.process(element.clauses, **kwargs)
    return f"(statement_timestamp() + make_interval(secs => {seconds}))" if seconds else "statement_timestamp()"


def iso(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC with a Z, to the millisecond."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
