"""`make bench`: measure everything beside its floor, and write docs/performance.md. QUICK=1 takes a minute and writes
nothing."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.bench import accept, crowd, history, machine, report, stage, start, streams
from tests.bench.figures import Book
from tests.bench.plan import PARTS, BadSetting, Plan
from tests.bench.run import Run
from tests.support.copy import ROOT
from tests.support.postgres import PostgresUnavailable

DOCUMENT = ROOT / "docs" / "performance.md"


def main() -> None:
    """Exit codes: 2 for a setting that says nothing, 3 for a busy machine. A missed goal is a result, not an error."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an orderly end, which takes along what was started
    try:
        plan = Plan.of(os.environ)
        if not arguments.anyhow:
            machine.require_quiet()
    except BadSetting as bad:
        _end(str(bad), 2)
    except machine.Busy as busy:
        _end(str(busy), 3)
    book = _measured(plan, arguments.only or plan.parts)
    print(report.written(book))
    if plan.quick or arguments.anyhow or arguments.only:
        print(f"\nA part of the whole, or measured on a busy machine: {DOCUMENT.name} stays as it is.", file=sys.stderr)
        return
    try:
        machine.refuse_busy(max(share for figure in book.figures.values() for share in figure.others), machine.LOUD)
    except machine.Busy as busy:
        _end(str(busy), 3)
    report.write(book, DOCUMENT)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--anyhow", action="store_true", help="measure on a busy machine too, and write nothing")
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part; writes nothing")
    return parser.parse_args()


def _end(sentence: str, code: int) -> None:
    print(sentence, file=sys.stderr)
    sys.exit(code)


def _measured(plan: Plan, wanted: Collection[str]) -> Book:
    book, files = Book(), machine.allow_files()
    with ExitStack() as stack:
        # In the open folder of the system's temporary files: PostgreSQL runs as another user where this one is root.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-bench-")))
        run = Run(book, plan, stack.enter_context(stage.provider()), folder, files)
        for name, work in _parts(run, list(_databases(book, stack, plan.stores))):
            if name.split()[0] in wanted:
                _do(book, name, work)
    return book


def _databases(book: Book, stack: ExitStack, stores: Collection[str]) -> Iterator[stage.Database]:
    for store in stores:
        try:
            yield stack.enter_context(stage.database(store))
        except PostgresUnavailable as unavailable:
            book.note(stage.STORES[store], f"not measured. {unavailable}")


def _parts(run: Run, databases: list[stage.Database]) -> Iterator[tuple[str, Callable[[], None]]]:
    yield "start", partial(start.measure, run)
    for database in databases:
        yield f"accept {database.store}", partial(accept.measure, run, database)
    yield "streams", partial(streams.measure, run, databases)
    yield "crowd", partial(crowd.measure, run, databases[0])
    yield "floors", partial(_floors, run, databases)
    for database in databases:
        yield f"history {database.store}", partial(history.measure, run, database)


def _floors(run: Run, databases: list[stage.Database]) -> None:
    """What the naive server does with the same POSTs and with open streams."""
    with stage.naive(run.provider, run.folder) as server:
        accept.floor(run, server, databases)
        if not run.plan.quick:
            crowd.floor(run.book, run.plan, server)


def _do(book: Book, name: str, work: Callable[[], None]) -> None:
    """Measure one part; what goes wrong in it is told beside the figures of the others."""
    began = time.monotonic()
    print(f"{name} …", file=sys.stderr, flush=True)
    try:
        work()
    except Exception as failure:
        book.note(f"**Not whole**, {name}", str(failure))
        print(f"{name}: {failure}", file=sys.stderr)
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
