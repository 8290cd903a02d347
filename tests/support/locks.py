"""Locks that somebody else holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from app.extensions import db


@contextmanager
def jobs_locked() -> Iterator[None]:
    """Nobody else can write jobs until the end of the block."""
    with _locked("LOCK TABLE jobs IN SHARE MODE"):
        yield


@contextmanager
def table_locked(table: str) -> Iterator[None]:
    """Nobody else can read or write the table until the end of the block; of SQLite, nobody can write anything."""
    with _locked(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"):
        yield


@contextmanager
def _locked(on_postgresql: str) -> Iterator[None]:
    with db.engine.connect() as blocker:
        if blocker.dialect.name == "sqlite":
            blocker.execute(text("BEGIN IMMEDIATE"))
        else:
            blocker.execution_options(isolation_level="READ COMMITTED").execute(text(on_postgresql))
        yield
