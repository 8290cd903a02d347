"""Accepting: from the POST to its 202, alone and with sixteen clients at once, while no worker takes the replies."""

from __future__ import annotations

from tests.bench.figures import Book, Figure, Goal, percentile
from tests.bench.machine import watched
from tests.bench.run import Run
from tests.bench.stage import STORES, Database, Holdfast, Target, holdfast

CLIENTS = 16
PER_SECOND = {"sqlite": Goal(500, at_least=True), "postgresql": Goal(400, at_least=True)}
ALONE = {50: Goal(4), 99: None}


def measure(run: Run, database: Database) -> None:
    """Both figures, on a web process of their own: thousands of replies stay pending."""
    with holdfast(run.provider, run.folder / f"accept-{database.store}", database, worker=False) as server:
        posts(server, count=20)
        for _ in run.plan.rounds:
            alone(run.book, server, run.plan.posts)
            together(run.book, server, run.plan.post_seconds)


def floor(run: Run, server: Target, stores: list[Database]) -> None:
    """The same POSTs at the naive server, which answers 202 and does nothing."""
    times, _ = posts(server, "/accept", count=run.plan.posts)
    many, took = posts(server, "/accept", clients=CLIENTS, seconds=run.plan.post_seconds)
    for database in stores:
        for percent in ALONE:
            _alone(run.book, database.store, percent).naive.append(percentile(times, percent))
        _together(run.book, database.store).naive.append(len(many) / took)


def alone(book: Book, server: Holdfast, count: int) -> None:
    """One client, one POST after the other."""
    with watched() as others:
        times, _ = posts(server, count=count)
    for percent in ALONE:
        figure = _alone(book, server.store, percent)
        figure.values.append(percentile(times, percent))
        figure.others.append(others.share)


def together(book: Book, server: Holdfast, seconds: float) -> None:
    """Sixteen clients that each post without a pause."""
    with watched() as others:
        times, took = posts(server, clients=CLIENTS, seconds=seconds)
    figure = _together(book, server.store)
    figure.values.append(len(times) / took)
    figure.others.append(others.share)


def _alone(book: Book, store: str, percent: int) -> Figure:
    return book.figure(f"accept: POST to 202, alone, p{percent}, {STORES[store]}", "ms", ALONE[percent])


def _together(book: Book, store: str) -> Figure:
    return book.figure(f"accept: POSTs at {CLIENTS} clients, {STORES[store]}", "a second", PER_SECOND[store])


def posts(
    server: Target, path: str = "/api/messages", *, clients: int = 1, **limits: float
) -> tuple[list[float], float]:
    """Milliseconds of each POST, and seconds of all. Raises RuntimeError when one was not accepted."""
    body = {"content": "Name three rivers.", "model": "openai/fake-t20"}
    done = server.load.ask("requests", method="POST", paths=[path], clients=clients, body=body, **limits)
    if set(done["statuses"]) != {"202"}:
        raise RuntimeError(f"POSTs were answered {done['statuses']}")
    return [time / 1e6 for time in done["times"]], done["seconds"]
