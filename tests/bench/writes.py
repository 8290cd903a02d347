"""How often a database is written to: counted by the database itself, not by the code that writes."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.bench.figures import Book, Goal
from tests.bench.stage import STORES, Holdfast

# The POST, the claim, two checkpoints in four seconds, the end, its announcement; leases are renewed beside that.
WRITES = Goal(8)
HEADER, FRAME = 32, 24


@dataclass
class Counted:
    """Transactions that wrote."""

    commits: int = 0


@contextmanager
def counted(server: Holdfast) -> Iterator[Counted]:
    """Fills in, at the end of the block, how many transactions wrote during it."""
    counter = _in_sqlite if server.store == "sqlite" else _in_postgresql
    with counter(server.stack.database_url) as found:
        yield found


def note(book: Book, server: Holdfast, found: Counted, replies: int) -> None:
    """Add the figure of so many replies."""
    name = f"database transactions that write, for a reply of 200 tokens, {STORES[server.store]}"
    book.figure(name, "each", WRITES).values.append(found.commits / replies)


@contextmanager
def _in_postgresql(url: str) -> Iterator[Counted]:
    """PostgreSQL gives a transaction a number when, and only when, it writes."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:

        def last() -> int:
            row = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
            return int(row[0]) if row else 0

        before, found = last(), Counted()
        yield found
        found.commits = last() - before


@contextmanager
def _in_sqlite(url: str) -> Iterator[Counted]:
    """Every commit leaves a marked frame in the write-ahead log, which starts over only when nobody reads it."""
    path = Path(url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        connection.execute("UPDATE users SET email = email")  # a frame to read from; without one nothing is held
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM users").fetchone()
        before, found = commit_frames(path), Counted()
        yield found
        found.commits = commit_frames(path) - before
        connection.execute("ROLLBACK")


def commit_frames(path: Path) -> int:
    """Commits in the write-ahead log of a database: frames that tell the size of the file after them."""
    log = path.with_name(f"{path.name}-wal").read_bytes()
    page_size: int = struct.unpack_from(">I", log, 8)[0]
    salts = log[16:24]
    commits = 0
    for start in range(HEADER, len(log) - FRAME + 1, FRAME + page_size):
        if log[start + 8 : start + 16] != salts:
            break  # what an earlier turn of the log left
        commits += log[start + 4 : start + 8] != bytes(4)
    return commits
