"""Streaming replies: the first token, the relay of each, what they cost, and how many keep their pace at once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.bench import writes
from tests.bench.figures import Book, Figure, Goal, median, percentile
from tests.bench.machine import used, watched
from tests.bench.plan import Plan
from tests.bench.run import Run
from tests.bench.stage import STORES, Database, Target, holdfast, naive, straight

TOKENS, RATE = 200, 50
STREAMS = 50
MODEL = f"fake-t{TOKENS}-r{RATE}-first50"
FIRST = "fake-t2-r50-first50"  # 50 ms in which the reader comes; what the provider takes is subtracted
# Starts are spread over it, so that the tokens of all streams do not come in step. Over a whole second they would:
# fifty starts are 20 ms apart then, and so are the tokens of each.
SPREAD_SECONDS = 1.02
ON_TIME = 1.2

FIRST_FROM_POST, FIRST_RELAY = Goal(8), Goal(2.5)
RELAY = {50: Goal(5), 99: Goal(30)}
CPU = Goal(0.25)
AT_ONCE = Goal(150, at_least=True)
WIRE_BYTES = Goal(300)

_numbers = count(1)


@dataclass(frozen=True)
class Reply:
    """One reply as its reader and the provider saw it, in nanoseconds."""

    sent: int
    asked: int
    written: list[int]
    received: list[int]
    ended: int
    bytes: int
    error: str

    @property
    def complete(self) -> bool:
        """Whether every token came."""
        return not self.error and len(self.received) == len(self.written)

    @property
    def relays(self) -> list[float]:
        """Milliseconds from each token's writing to its receipt."""
        return [(got - wrote) / 1e6 for wrote, got in zip(self.written, self.received, strict=True)]

    @property
    def first(self) -> float:
        """Milliseconds from the request to the first token, without what the provider took."""
        return (self.received[0] - self.sent - (self.written[0] - self.asked)) / 1e6

    @property
    def reached(self) -> float:
        """Milliseconds from the request to the provider's being asked."""
        return (self.asked - self.sent) / 1e6

    @property
    def seconds(self) -> float:
        """From the request to the end of the stream."""
        return (self.ended - self.sent) / 1e9


def measure(run: Run, stores: list[Database]) -> None:
    """Each store in turn, then the two floors, with the same load."""
    for database in stores:
        with holdfast(run.provider, run.folder / f"streams-{database.store}", database) as server:
            _measure(run.book, run.plan, server, STORES[database.store], "values")
            if database.store == "sqlite":
                at_once(run.book, run.plan, server, "values")
            if not run.plan.quick:
                with writes.counted(server) as counted:
                    replies(server, STREAMS)
                writes.note(run.book, server, counted, STREAMS)
    with naive(run.provider, run.folder) as server:
        _floors(run, server, stores, "naive")
        if not run.plan.quick:
            at_once(run.book, run.plan, server, "naive")
    with straight(run.provider) as server:
        _floors(run, server, stores, "straight")


def _floors(run: Run, server: Target, stores: list[Database], column: str) -> None:
    """Measured once, shown beside each store."""
    own = Book()
    _measure(own, run.plan, server, "", column)
    run.book.notes |= own.notes
    for name, figure in own.figures.items():
        for database in stores:
            getattr(run.book.figures[name + STORES[database.store]], column).extend(getattr(figure, column))


def _measure(book: Book, plan: Plan, server: Target, store: str, column: str) -> None:
    replies(server, 10, model=f"fake-t{RATE}-r{RATE}")  # warms up
    for _ in plan.rounds:
        first(book, server, plan.firsts, store, column)
        fifty(book, server, store, column)


def first(book: Book, server: Target, number: int, store: str, column: str) -> None:
    """One reply after the other, nothing else running."""
    with watched() as others:
        got = replies(server, number, model=FIRST, one_by_one=True)
    _require(got, server)
    for name, values, goal in (
        ("first token, from the POST, without the provider's own time", [x.first for x in got], FIRST_FROM_POST),
        ("from the POST to the question to the provider", [x.reached for x in got], None),
        ("first token, from its writing by the provider", [x.relays[0] for x in got], FIRST_RELAY),
    ):
        for percent in (50, 99):
            figure = book.figure(f"{name}, p{percent}, {store}", "ms", goal if percent == 50 else None)
            figure.over_floor = figure.goal is not None
            _add(figure, column, percentile(values, percent), others.share)


def fifty(book: Book, server: Target, store: str, column: str) -> None:
    """Fifty streams with a reader each: the relay of every token, its bytes, and what all of them cost."""
    with watched() as others:
        before = server.costs()
        got = replies(server, STREAMS)
        costs = {name: (used - before[name]) * 1000 / (STREAMS * TOKENS) for name, used in server.costs().items()}
    _require(got, server)
    relays = [relay for reply in got for relay in reply.relays]
    for percent, goal in RELAY.items():
        figure = book.figure(f"relay of a token, {STREAMS} streams, p{percent}, {store}", "ms", goal)
        _add(figure, column, percentile(relays, percent), others.share)
    figure = book.figure(f"CPU for 1,000 tokens, {STREAMS} streams, {store}", "s", CPU)
    if costs:
        _add(figure, column, sum(costs.values()), others.share)
        parts = ", ".join(f"{name} {cost:.3f} s" for name, cost in costs.items())
        book.note(f"CPU for 1,000 tokens, {server.how}{store and ', '}{store}", f"{parts}.")
    figure = book.figure(f"bytes on the wire for a token, {store}", "bytes", WIRE_BYTES)
    _add(figure, column, median(reply.bytes / TOKENS for reply in got), others.share)


def at_once(book: Book, plan: Plan, server: Target, column: str) -> None:
    """The greatest crowd of replies that all end in time; the first that does not ends the search."""
    figure = book.figure(f"replies of {TOKENS} tokens at {RATE} a second in time", "at once", AT_ONCE)
    for _ in plan.rounds if column == "values" else range(1):
        reached = 0
        with watched() as others:
            for crowd in plan.crowds:
                if not _in_time(book, server, crowd):
                    break
                reached = crowd
        _add(figure, column, reached, others.share)


def _in_time(book: Book, server: Target, crowd: int) -> bool:
    helpers = [server.load.process.pid, server.provider.process.pid]
    began, before, cost = time.monotonic(), used(helpers), server.cpu()
    got = replies(server, crowd)
    cores = (used(helpers) - before) / (time.monotonic() - began)
    own = (server.cpu() - cost) / (time.monotonic() - began)
    ideal = (TOKENS - 1) / RATE
    late = [reply for reply in got if not reply.complete or reply.seconds > ON_TIME * ideal]
    slowest = max(reply.seconds for reply in got)
    book.note(
        f"{crowd} replies at once, {server.how}",
        f"{len(late)} late, slowest {slowest:.2f} s of {ideal:.2f} s; the server took {own:.2f} cores, load client "
        f"and provider {cores:.2f}.",
    )
    return not late


def replies(
    server: Target, number: int, *, model: str = MODEL, one_by_one: bool = False, over: float = SPREAD_SECONDS
) -> list[Reply]:
    """Ask for so many and follow each to its end."""
    prompts = [f"number {next(_numbers)}" for _ in range(number)]
    told = server.load.ask("replies", how=server.how, model=model, prompts=prompts, over=over, one_by_one=one_by_one)
    written = server.provider.writes()
    return [joined(reply, written) for reply in told]


def joined(told: dict[str, Any], written: dict[str, tuple[int, list[int]]]) -> Reply:
    """What the reader told and what the provider wrote, as one reply."""
    asked, times = written.get(told["prompt"], (0, []))
    return Reply(
        told.get("sent", 0), asked, times, told["tokens"], told.get("ended", 0), told.get("bytes", 0), told["error"]
    )


def _require(got: list[Reply], server: Target) -> None:
    if broken := [reply for reply in got if not reply.complete]:
        why = broken[0].error or f"{len(broken[0].received)} of {len(broken[0].written)} tokens"
        raise RuntimeError(f"{len(broken)} of {len(got)} replies of {server.how} did not come whole: {why}")


def _add(figure: Figure, column: str, value: float, others: float) -> None:
    getattr(figure, column).append(value)
    figure.others.append(others)
