"""Starting: a fresh copy by the supervisor that `make run` starts, until it is ready; then what it takes, idle."""

from __future__ import annotations

import time
from functools import partial

import httpx2 as httpx

from tests.bench.figures import Book, Goal
from tests.bench.machine import proportional, watched
from tests.bench.run import Run
from tests.support.copy import Copy, free_port, running_copy
from tests.support.stack import until

READY, MEMORY = Goal(5), Goal(450)
SETTLE_SECONDS = 3  # imports at the first use, heaps at rest


def measure(run: Run) -> None:
    """A start into an empty folder each time."""
    for number in run.plan.rounds:
        port = free_port()
        # One client: to make one for each question takes the processor from what is being measured.
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=2, headers={"Connection": "close"})
        with client, watched() as others:
            began = time.monotonic()
            with running_copy(run.folder / f"start-{number}", PORT=str(port), LOCAL_MODEL="off", SCRIPTED="1") as copy:
                until(partial(_ready, client), 90, "/readyz")
                figure = run.book.figure("start, into an empty folder, to /readyz", "s", READY)
                figure.values.append(time.monotonic() - began)
                copy.wait_for(r"ready\.", 90)
                run.book.figure("start, until the worker takes replies", "s").values.append(time.monotonic() - began)
                memory(run.book, copy)
        figure.others.append(others.share)


def memory(book: Book, copy: Copy) -> None:
    """All processes, what they share counted once."""
    time.sleep(SETTLE_SECONDS)  # nothing tells when an idle process has come to rest
    share = proportional(copy.family())
    figure = book.figure("memory of the whole `make run` without the local model, idle", "MB", MEMORY)
    if share is None:
        book.note("Memory", "this system does not tell what processes share (no /proc/PID/smaps_rollup).")
    else:
        figure.values.append(share / 1e6)


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.HTTPError:
        return False
