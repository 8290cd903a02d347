"""What every connection is set up with, and what the two kinds of transactions promise."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from sqlalchemy import event, func, insert, select, text

from app.database import reading, transaction
from app.extensions import db
from app.models import User


def count() -> int:
    with reading() as session:
        return session.scalars(select(func.count()).select_from(User)).one()


def add(email: str) -> None:
    with transaction() as session:
        session.execute(insert(User).values(email=email, password_hash="x"))


def test_sqlite_has_its_log_its_foreign_keys_and_patience(app: Flask) -> None:
    if db.engine.dialect.name != "sqlite":
        assert db.engine.dialect.driver == "psycopg"
        return
    with reading() as session:
        values = [session.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "foreign_keys")]
        patience = session.execute(text("PRAGMA busy_timeout")).scalar()
    assert values == ["wal", 1]
    assert patience == 2000


def test_only_what_writes_takes_the_writers_lock(app: Flask) -> None:
    begun: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: begun.append(args[2]))
    count()
    add("ada@example.com")
    locks = [statement for statement in begun if statement == "BEGIN IMMEDIATE"]
    assert len(locks) == (1 if db.engine.dialect.name == "sqlite" else 0)


def add_and_fail() -> None:
    with transaction() as session:
        session.execute(insert(User).values(email="ada@example.com", password_hash="x"))
        raise RuntimeError("midway")


def test_an_exception_leaves_nothing(app: Flask) -> None:
    with pytest.raises(RuntimeError):
        add_and_fail()
    assert count() == 0


def test_what_a_reading_changes_is_not_kept(app: Flask) -> None:
    with reading() as session:
        session.execute(insert(User).values(email="ada@example.com", password_hash="x"))
    assert count() == 0


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
