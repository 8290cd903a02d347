"""Long histories: what a POST, a page and a list cost with ten thousand rows behind them, beside ten."""

from __future__ import annotations

from typing import Any

from tests.bench import rows
from tests.bench.figures import Book, Goal, median
from tests.bench.machine import watched
from tests.bench.run import Run
from tests.bench.stage import STORES, Database, Holdfast, holdfast, key_of

FEW = 10
LIMIT = 10  # so that both answers are of one size
RATIO = Goal(2)


def measure(run: Run, database: Database) -> None:
    """Each of the three, long and short in turn, so that what else happens on the machine befalls both."""
    with holdfast(run.provider, run.folder / f"history-{database.store}", database) as server:
        long, short = (_user(server, number) for number in (run.plan.rows, FEW))
        keys = [long["key"], short["key"]]
        pages = [f"/api/threads/{user['thread']}/messages" for user in (long, short)]
        body = {"content": "Name three rivers.", "model": "openai/fake-t1"}
        compared = {
            "page of a thread with 10,000 messages": ("GET", [f"{page}?limit={LIMIT}" for page in pages], None),
            "POST to a thread with 10,000 messages": ("POST", pages, body),
            "list of 10,000 threads": ("GET", [f"/api/threads?limit={LIMIT}"] * 2, None),
        }
        for _ in run.plan.rounds:
            for what, (method, paths, sent) in compared.items():
                command = {"method": method, "paths": paths, "keys": keys, "body": sent, "count": run.plan.looks}
                _compare(run.book, server, what, command)


def _user(server: Holdfast, number: int) -> dict[str, str]:
    """A user with so many threads, one of which has so many messages."""
    email = f"history-{number}@example.com"
    with server.stack.user(email) as client:
        key = key_of(client)
    with rows.writing(server.stack.database_url) as connection:
        user_id = rows.owner(connection, email)
        rows.threads(connection, user_id, number - 1)
        return {"key": key, "thread": rows.messages(connection, user_id, number)}


def _compare(book: Book, server: Holdfast, what: str, command: dict[str, Any]) -> None:
    with watched() as others:
        long, short = server.load.ask("in_turn", **command)
    slow, fast = median(long) / 1e6, median(short) / 1e6
    store = STORES[server.store]
    figure = book.figure(f"{what}, beside 10, {store}", "times", RATIO)
    figure.values.append(slow / fast)
    figure.others.append(others.share)
    book.figure(f"{what}, p50, {store}", "ms").values.append(slow)
