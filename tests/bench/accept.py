"""Accepting: from the POST to its 202, alone and with sixteen clients at once, while no worker takes the replies."""

from __future__ import annotations

from tests.bench.figures import Book, Goal, percentile
from tests.bench.machine import watched
from tests.bench.run import Run
from tests.bench.stage import STORES, Database, Holdfast, holdfast

CLIENTS = 16
PER_SECOND = {"sqlite": Goal(500, at_least=True), "postgresql": Goal(400, at_least=True)}
ALONE = Goal(4)


def measure(run: Run, database: Database) -> None:
    """Both figures, on a web process of their own: thousands of replies stay pending."""
    with holdfast(run.provider, run.folder / f"accept-{database.store}", database, worker=False) as server:
        posts(server, count=20)
        for _ in run.plan.rounds:
            alone(run.book, server, run.plan.posts)
            together(run.book, server, run.plan.post_seconds)


def alone(book: Book, server: Holdfast, count: int) -> None:
    """One client, one POST after the other."""
    with watched() as others:
        times, _ = posts(server, count=count)
    store = STORES[server.store]
    for percent, goal in ((50, ALONE), (99, None)):
        figure = book.figure(f"accept: POST to 202, alone, p{percent}, {store}", "ms", goal)
        figure.values.append(percentile(times, percent))
        figure.others.append(others.share)


def together(book: Book, server: Holdfast, seconds: float) -> None:
    """Sixteen clients that each post without a pause."""
    with watched() as others:
        times, took = posts(server, clients=CLIENTS, seconds=seconds)
    name = f"accept: POSTs at {CLIENTS} clients, {STORES[server.store]}"
    figure = book.figure(name, "a second", PER_SECOND[server.store])
    figure.values.append(len(times) / took)
    figure.others.append(others.share)


def posts(server: Holdfast, *, clients: int = 1, **limits: float) -> tuple[list[float], float]:
    """Milliseconds of each POST, and seconds of all. Raises RuntimeError when one was not accepted."""
    body = {"content": "Name three rivers.", "model": "openai/fake-t20"}
    done = server.load.ask("requests", method="POST", paths=["/api/messages"], clients=clients, body=body, **limits)
    if set(done["statuses"]) != {"202"}:
        raise RuntimeError(f"POSTs were answered {done['statuses']}")
    return [time / 1e6 for time in done["times"]], done["seconds"]
