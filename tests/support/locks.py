"""Locks that somebody else holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from app.extensions import db


@contextmanager
def jobs_locked() -> Iterator[None]:
    """Nobody else can write jobs until the end of the block."""
    with db.engine.connect() as blocker:
        sqlite = blocker.dialect.name == "sqlite"
        blocker.execute(text("BEGIN IMMEDIATE" if sqlite else "LOCK TABLE jobs IN SHARE MODE"))
        yield
