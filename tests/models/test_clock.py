"""The database's clock, moments and money keep their values on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from flask import Flask
from sqlalchemy import select, update

from app.auth import accounts
from app.clock import now
from app.database import reading, transaction
from app.models import User


def test_the_clock_counts_seconds_from_the_statement_on(app: Flask) -> None:
    with reading() as session:
        before, at, after = session.execute(select(now(-1.5), now(), now(90))).one()
    assert (at - before, after - at) == (timedelta(seconds=1.5), timedelta(seconds=90))
    assert abs(at - datetime.now(UTC)) < timedelta(seconds=5)


def test_moments_keep_their_instant_whatever_their_zone(app: Flask) -> None:
    user, _ = accounts.create("ada@example.com", "correct horse")
    moment = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    with transaction() as session:
        session.execute(update(User).where(User.id == user.id).values(disabled_at=moment))
    with reading() as session:
        stored = session.get_one(User, user.id).disabled_at
        earlier = select(User.id).where(User.disabled_at < now())
        assert session.scalars(earlier).all() == [user.id]
    assert stored == moment
    assert stored is not None
    assert stored.tzinfo is UTC or stored.utcoffset() == timedelta(0)


def test_money_is_exact_to_the_millionth_of_a_cent(app: Flask) -> None:
    user, _ = accounts.create("ada@example.com", "correct horse")
    amount = Decimal("12345678.123457")
    with transaction() as session:
        session.execute(update(User).where(User.id == user.id).values(credits=amount))
        session.execute(update(User).where(User.id == user.id).values(credits=User.credits - Decimal("0.000001")))
    assert accounts.get(user.id).credits == Decimal("12345678.123456")
