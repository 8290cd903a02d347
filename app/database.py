"""Short transactions and single glances: the only ways this project talks to its database."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, cast

from psycopg import Connection as PostgresConnection
from psycopg import Error as PostgresError
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from app.config import Settings
from app.extensions import db

# Writers of one process queue here, first come first served; only the first one asks SQLite.
_sqlite_writers = threading.Lock()

_BEGIN_WRITING = "BEGIN IMMEDIATE"
_ONE_STATE = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_TOGETHER = {"isolation_level": "READ COMMITTED"}

# A connection of the pool that was in use so lately is not pinged before it is used again: a tenth of what a request
# costs. One that PostgreSQL closed in that second fails the request that gets it.
_TRUST_SECONDS = 1.0
_USED_AT = "used_at"
_WAITS = "waits"

# A process that is frozen between two statements, or cut off, keeps its rows from whoever goes on with its jobs, by
# default for hours. PostgreSQL ends its transaction after so long, which is less than a lease.
_IDLE_SECONDS = 5.0

# How long a statement waits for what others have locked, by database and whether a worker asks. A worker's threads can
# wait; the web process rather says 503 and lets the client come again.
_LOCK_SECONDS = {
    ("sqlite", False): 2.0,
    ("postgresql", False): 2.0,
    ("sqlite", True): 20.0,
    ("postgresql", True): 20.0,
}


@contextmanager
def transaction() -> Iterator[Session]:
    """A session that commits at the end of the block and rolls back on an exception.

    Keep it short and never wait for anything but the database in it. Objects stay readable afterwards.
    """
    engine = db.engine
    with _turn(engine), Session(engine, expire_on_commit=False) as session:
        if _is_sqlite(engine):
            _begin_writing(session.connection())
        else:
            session.connection(execution_options=_TOGETHER)
        yield session
        session.commit()


@contextmanager
def single() -> Iterator[Session]:
    """A session for one statement that writes, after others that read.

    On PostgreSQL it is a transaction by itself, which spares the round trips of BEGIN and COMMIT.
    """
    engine = db.engine
    if _is_sqlite(engine):
        with transaction() as session:
            yield session
        return
    with Session(engine, expire_on_commit=False) as session:
        yield session
        session.commit()


def writes_at_once(session: Session) -> bool:
    """Whether one statement of this database can write to several tables."""
    return not _is_sqlite(session.get_bind())


@contextmanager
def reading(*, one_state: bool = True) -> Iterator[Session]:
    """A session that reads, in all its statements, one state of the database; nothing it changes is kept.

    Objects stay readable afterwards. On PostgreSQL a statement that writes fails. Where the statements need not see one
    state, `one_state=False` spares two round trips there; then nothing keeps them from writing.
    """
    engine = db.engine
    with Session(engine, expire_on_commit=False, autoflush=False) as session:
        if _is_sqlite(engine):  # its transactions are so by themselves
            _raw(session.connection()).execute("BEGIN")  # it touches no file
            yield session
            return
        if one_state:
            session.connection(execution_options=_ONE_STATE)
        yield session
        session.expunge_all()
        session.commit()  # with each rollback the driver forgets the statements that it has prepared


@contextmanager
def glance() -> Iterator[Connection]:
    """A connection for one statement that reads: without a session and without a transaction.

    It costs less than half of `reading`, for what every request asks.
    """
    with db.engine.connect() as connection:
        yield connection


def engine_options(settings: Settings) -> dict[str, Any]:
    """What `create_engine` is given for the database in `settings`.

    The connection that was used last is taken first: its statements are prepared, and its pages are at hand. On both
    databases each statement is a transaction by itself where nobody says otherwise; most are.
    """
    if settings.is_sqlite:  # to open one is cheap, and each that is kept is two files
        return {"pool_use_lifo": True, "pool_size": 5, "max_overflow": 35}
    # No more are opened for a rush, which would pay for it with some four milliseconds each: it waits its turn.
    limits = {"pool_size": 10, "max_overflow": 0, "connect_args": {"connect_timeout": 5}}
    return {"isolation_level": "AUTOCOMMIT", "pool_use_lifo": True} | limits


def prepare(engine: Engine, is_worker: bool) -> None:
    """Tell each new connection how long to wait for others' locks, and SQLite what several processes need."""
    prepare_one = _prepare_sqlite if engine.dialect.name == "sqlite" else _prepare_postgresql
    prepare_one(engine, _LOCK_SECONDS[engine.dialect.name, is_worker])


def _prepare_sqlite(engine: Engine, lock_seconds: float) -> None:
    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        # We say BEGIN ourselves. A listener for it would have SQLAlchemy look for more of them at each statement.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"busy_timeout={int(lock_seconds * 1000)}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        record.info[_WAITS] = lock_seconds


def _begin_writing(connection: Connection) -> None:
    """Ask every millisecond for the one place of all writers.

    A deferred transaction that reads and then writes would fail at once when somebody wrote in between. And SQLite
    would wait by itself, but it soon asks only ten times a second, which finds no moment between the many short
    transactions of a busy worker; and it would hold up everybody whom the web process answers.
    """
    raw, seconds = _raw(connection), connection.info[_WAITS]
    raw.execute("PRAGMA busy_timeout = 0")
    deadline = time.monotonic() + seconds
    try:
        while _is_locked(raw) and time.monotonic() < deadline:
            time.sleep(0.001)
        if not raw.in_transaction:
            connection.exec_driver_sql(_BEGIN_WRITING)  # which fails as every other statement would
    finally:
        raw.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _is_locked(raw: sqlite3.Connection) -> bool:
    """Whether the place of all writers is somebody else's. It is ours now if not, or cannot be had at all."""
    try:
        raw.execute(_BEGIN_WRITING)
    except sqlite3.Error as error:
        return error.sqlite_errorcode == sqlite3.SQLITE_BUSY
    return False


def _raw(connection: Connection) -> sqlite3.Connection:
    """The driver's own, which is asked for less than SQLAlchemy takes to ask it."""
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)


def _prepare_postgresql(engine: Engine, lock_seconds: float) -> None:
    @event.listens_for(engine, "connect")
    def _set(connection: PostgresConnection[Any], record: ConnectionPoolEntry) -> None:
        connection.execute(f"SET lock_timeout = {int(lock_seconds * 1000)}")
        connection.execute(f"SET idle_in_transaction_session_timeout = {int(_IDLE_SECONDS * 1000)}")
        connection.commit()
        record.info[_USED_AT] = time.monotonic()

    @event.listens_for(engine, "checkin")
    def _note(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info[_USED_AT] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ping(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        if time.monotonic() - record.info[_USED_AT] < _TRUST_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except PostgresError as error:
            raise DisconnectionError("closed while it was idle") from error  # the pool makes another


def _turn(engine: Engine) -> Any:
    return _sqlite_writers if _is_sqlite(engine) else nullcontext()


def _is_sqlite(database: Engine | Connection) -> bool:
    return bool(database.dialect.name == "sqlite")
