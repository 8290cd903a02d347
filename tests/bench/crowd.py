"""A crowd of readers: what an open stream of events takes, and how fast an event finds its way among thousands."""

from __future__ import annotations

import time

from tests.bench import accept, rows
from tests.bench.figures import Book, Figure, Goal, percentile
from tests.bench.machine import resident, watched
from tests.bench.plan import Plan
from tests.bench.run import Run
from tests.bench.stage import Database, Holdfast, Target, holdfast
from tests.bench.streams import joined

SAMPLE = 40
SAID = "openai/fake-t50-r10-first50"
SPREAD_SECONDS = 2.0
IDLE_SECONDS = 20  # longer than the pause between two heartbeats
EACH, EVENT, CUT = Goal(20), Goal(10), Goal(0)


def measure(run: Run, database: Database) -> None:
    """One web process, one thread for each stream; then, where so many files may be open, twice as many, idle."""
    book, plan = run.book, run.plan
    with holdfast(run.provider, run.folder / "crowd", database) as server:
        with rows.writing(server.stack.database_url) as connection:
            owner = rows.owner(connection, "ada@example.com")
            threads = rows.threads(connection, owner, max(plan.open_streams, plan.idle_streams))
        server.load.ask("requests", method="GET", paths=["/api/threads"], clients=32, count=64)  # its pools are full
        accept.posts(server, count=20)  # and its statements compiled
        _many(book, server, threads[: plan.open_streams])
        if plan.idle_streams and run.files < plan.idle_streams + 500:
            book.note(f"{plan.idle_streams:,} open streams", f"a process may open only {run.files:,} files here.")
        elif plan.idle_streams:
            _idle(book, server, threads[plan.open_streams :])


def _many(book: Book, server: Holdfast, threads: list[str]) -> None:
    web = [server.stack.processes["web"].pid]
    before = resident(web)
    with watched() as others:
        opened = _open(server, [f"/api/threads/{thread}/events" for thread in threads])
    number = len(threads)
    figure = book.figure(_each(number), "kB", EACH)
    _add(figure, (resident(web) - before) / number / 1000, others.share)
    book.note(f"{number:,} open streams", f"opened in {opened:.1f} s.")
    with watched() as others:
        relays = _events(server, threads[:: max(1, number // SAMPLE)][:SAMPLE])
    for percent, goal in ((50, None), (99, EVENT)):
        figure = book.figure(f"an event among {number:,} open streams, p{percent}", "ms", goal)
        _add(figure, percentile(relays, percent), others.share)


def _events(server: Holdfast, threads: list[str]) -> list[float]:
    """Milliseconds from the provider's writing of each token of a few replies to the receipt in the open streams."""
    told = server.load.ask("say", threads=threads, model=SAID, over=SPREAD_SECONDS)
    written = server.provider.writes()
    replies = [joined(reply, written) for reply in told]
    if broken := [reply.error for reply in replies if not reply.complete]:
        raise RuntimeError(f"{len(broken)} of {len(replies)} replies did not come whole: {broken[0]}")
    return [relay for reply in replies for relay in reply.relays]


def _idle(book: Book, server: Holdfast, more: list[str]) -> None:
    with watched() as others:
        _open(server, [f"/api/threads/{thread}/events" for thread in more])
        time.sleep(IDLE_SECONDS)  # nothing is to happen: that is what is measured
        held = server.load.ask("held")
    figure = book.figure(f"streams cut of {held['open'] + held['lost']:,} idle ones", "streams", CUT)
    _add(figure, held["lost"], others.share)


def _open(server: Target, paths: list[str]) -> float:
    opened = server.load.ask("open", paths=paths)
    if opened["failures"]:
        raise RuntimeError(f"streams did not open: {opened['failures']}")
    return float(opened["seconds"])


def floor(book: Book, plan: Plan, server: Target) -> None:
    """What an open stream takes in the naive server, where nothing at all comes through it."""
    before = resident(server.pids.values())
    _open(server, [f"/idle/{number}" for number in range(plan.open_streams)])
    taken = (resident(server.pids.values()) - before) / plan.open_streams / 1000
    server.load.ask("close")
    book.figure(_each(plan.open_streams), "kB", EACH).naive.append(taken)


def _each(number: int) -> str:
    return f"memory of an open stream, {number:,} on one web process"


def _add(figure: Figure, value: float, others: float) -> None:
    figure.values.append(value)
    figure.others.append(others)
