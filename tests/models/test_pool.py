"""Connections of the pool that PostgreSQL has closed meanwhile, or closes because they keep rows from others."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from app import database
from app.database import glance, transaction
from app.extensions import db
from tests.support import rows

_PID = text("SELECT pg_backend_pid()")
_RENAME = text("UPDATE users SET name = :name")


pytestmark = [
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
    pytest.mark.usefixtures("app"),
]


def _asked() -> int:
    with glance() as connection:
        return _pid(connection)


def _pid(connection: Connection) -> int:
    found: int = connection.execute(_PID).scalar_one()
    return found


def _close(postgres: str, pid: int) -> None:
    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as other:
        assert other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid]).fetchone() == (True,)


def test_one_that_was_closed_while_it_was_idle_is_replaced(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _asked()
    monkeypatch.setattr(database, "_TRUST_SECONDS", 0)
    assert _asked() == first
    _close(postgres, first)
    assert _asked() != first


def test_one_that_was_closed_at_once_costs_one_question(postgres: str) -> None:
    first = _asked()
    _close(postgres, first)
    with pytest.raises(OperationalError):
        _asked()
    assert _asked() != first


def test_one_that_was_in_use_just_now_is_not_pinged(monkeypatch: pytest.MonkeyPatch) -> None:
    pings: list[object] = []
    ping = db.engine.dialect.do_ping
    monkeypatch.setattr(db.engine.dialect, "do_ping", lambda raw: pings.append(raw) or ping(raw))
    first = _asked()
    assert (_asked(), pings) == (first, [])
    monkeypatch.setattr(database, "_TRUST_SECONDS", 0)
    assert (_asked(), len(pings)) == (first, 1)


def test_one_that_falls_silent_in_a_transaction_keeps_its_rows_from_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    rows.a_user()
    monkeypatch.setattr(database, "_IDLE_SECONDS", 0.3)
    db.engine.dispose()  # the next connections are told so
    with pytest.raises(DBAPIError, match="idle-in-transaction"):
        _write_while_another_is_frozen()
    with glance() as connection:
        assert connection.execute(text("SELECT DISTINCT name FROM users")).scalars().all() == ["Ada"]
    monkeypatch.undo()
    db.engine.dispose()


def _write_while_another_is_frozen() -> None:
    with transaction() as frozen:
        frozen.execute(_RENAME, {"name": "late"})
        with transaction() as other:  # waits for the row, and for no longer than that
            other.execute(_RENAME, {"name": "Ada"})
        frozen.execute(_RENAME, {"name": "later"})
