"""What every connection is set up with, and what the two kinds of transactions promise."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing, nullcontext

import pytest
from flask import Flask
from sqlalchemy import event, func, insert, select, text
from sqlalchemy.exc import DatabaseError, InternalError

from app.database import reading, transaction
from app.extensions import db
from app.models import User


def count() -> int:
    with reading() as session:
        return session.scalars(select(func.count()).select_from(User)).one()


def on_postgresql() -> bool:
    return db.engine.dialect.name == "postgresql"


def add(email: str) -> None:
    with transaction() as session:
        session.execute(insert(User).values(email=email, password_hash="x"))


def test_sqlite_has_its_log_its_foreign_keys_and_patience(app: Flask) -> None:
    if on_postgresql():
        assert db.engine.dialect.driver == "psycopg"
        return
    with reading() as session:
        values = [session.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "foreign_keys")]
        patience = session.execute(text("PRAGMA busy_timeout")).scalar()
    assert values == ["wal", 1]
    assert patience == 2000


def another_may_write() -> bool:
    with closing(sqlite3.connect(str(db.engine.url.database), timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_only_what_writes_takes_the_writers_lock_and_takes_it_first() -> None:
    with reading() as session:
        session.scalars(select(func.count()).select_from(User)).one()
        assert another_may_write()
    with transaction():
        assert not another_may_write()
    assert another_may_write()
    assert count() == 0


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_that_refuses_is_nothing_to_wait_for() -> None:
    def allowed(action: int, *_what: object) -> int:
        return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION else sqlite3.SQLITE_OK

    event.listen(db.engine, "checkout", lambda raw, *_: raw.set_authorizer(allowed))
    began = time.monotonic()
    with pytest.raises(DatabaseError, match="not authorized"):
        add("ada@example.com")
    assert time.monotonic() - began < 1


def add_and_fail() -> None:
    with transaction() as session:
        session.execute(insert(User).values(email="ada@example.com", password_hash="x"))
        raise RuntimeError("midway")


def test_an_exception_leaves_nothing(app: Flask) -> None:
    with pytest.raises(RuntimeError):
        add_and_fail()
    assert count() == 0


def test_what_a_reading_changes_is_not_kept(app: Flask) -> None:
    refused = pytest.raises(InternalError, match="read-only") if on_postgresql() else nullcontext()
    with refused, reading() as session:
        session.execute(insert(User).values(email="ada@example.com", password_hash="x"))
    assert count() == 0


def test_what_a_reading_changes_in_an_object_is_not_kept(app: Flask) -> None:
    add("ada@example.com")
    with reading() as session:
        found = session.scalars(select(User)).one()
        found.name = "Ada"
    assert found.name == "Ada"
    with reading() as session:
        assert session.scalars(select(User.name)).one() != "Ada"


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_is_asked_again_and_again_is_not_planned_each_time() -> None:
    for number in range(8):
        add(f"user{number}@example.com")
        count()
    with reading() as session:
        prepared = session.scalars(text("SELECT statement FROM pg_prepared_statements")).all()
    assert [words.split()[0] for words in sorted(prepared)] == ["INSERT", "SELECT"]


def test_a_reading_sees_one_state_whatever_is_committed_meanwhile(app: Flask) -> None:
    def add_another() -> None:
        with app.app_context():
            add("bob@example.com")

    add("ada@example.com")
    with reading() as session:
        before = session.scalars(select(func.count()).select_from(User)).one()
        writer = threading.Thread(target=add_another)
        writer.start()
        writer.join(10)
        assert session.scalars(select(func.count()).select_from(User)).one() == before == 1
    assert count() == 2


def test_many_threads_can_write_at_once(app: Flask) -> None:
    failed: list[Exception] = []

    def write(number: int) -> None:
        with app.app_context():
            try:
                for part in range(10):
                    add(f"user{number}.{part}@example.com")
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert count() == 160
