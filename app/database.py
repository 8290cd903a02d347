"""Short transactions: the only two ways this project talks to its database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from sqlite3 import Connection as SqliteConnection
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session

from app.config import Settings
from app.extensions import db

# Writers of one process queue here, first come first served; SQLite's own waiting is a lottery with sleeps.
_sqlite_writers = threading.Lock()


@contextmanager
def transaction() -> Iterator[Session]:
    """A session that commits at the end of the block and rolls back on an exception.

    Keep it short and never wait for anything but the database in it. Objects stay readable afterwards.
    """
    engine = db.engine
    with _turn(engine), Session(engine, expire_on_commit=False) as session:
        session.connection(execution_options={"writes": True})
        yield session
        session.commit()


@contextmanager
def reading() -> Iterator[Session]:
    """A session for reading; nothing it changes is kept. Objects stay readable afterwards."""
    with Session(db.engine, expire_on_commit=False, autoflush=False) as session:
        yield session


def engine_options(settings: Settings) -> dict[str, Any]:
    """What `create_engine` is given for the database in `settings`."""
    if settings.is_sqlite:
        return {"pool_size": 20, "max_overflow": 20}
    return {"pool_size": 10, "max_overflow": 20, "pool_pre_ping": True, "connect_args": {"connect_timeout": 5}}


def prepare(engine: Engine, busy_seconds: float) -> None:
    """Give SQLite what it needs for several processes; PostgreSQL needs nothing.

    busy_seconds: how long a writer waits for another process's write; the web process waits little, because it
    answers everybody on one thread.
    """
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def _pragmas(connection: SqliteConnection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"busy_timeout={int(busy_seconds * 1000)}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that reads and then writes fails at once when somebody wrote in between.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _turn(engine: Engine) -> Any:
    return _sqlite_writers if engine.dialect.name == "sqlite" else nullcontext()
