"""What the application asks its database: the statements, without BEGIN and COMMIT, which are the driver's."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Engine, event


class Asked(NamedTuple):
    """One statement, and the name of the thread that sent it."""

    statement: str
    parameters: Sized
    thread: str


@contextmanager
def asked(engine: Engine) -> Iterator[list[Asked]]:
    """All that are sent from here to the end of the block, by any thread."""
    found: list[Asked] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Sized, *_: object) -> None:
        found.append(Asked(statement, parameters, threading.current_thread().name))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)
