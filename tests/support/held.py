"""Who holds how many connections of the application's pool: with few of them, each may take one at a time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from app.extensions import db


class Held:
    """How many connections each thread holds, and the most that one ever held."""

    def __init__(self) -> None:
        self.now: Counter[int] = Counter()
        self.most = 0

    def take(self, *_: object) -> None:
        self.now[threading.get_ident()] += 1
        self.most = max(self.most, self.now[threading.get_ident()])

    def give_back(self, *_: object) -> None:
        self.now[threading.get_ident()] -= 1


@contextmanager
def counted() -> Iterator[Held]:
    """Count from here to the end of the block, in every thread."""
    held, engine = Held(), db.engine
    listeners = (("checkout", held.take), ("checkin", held.give_back))
    for name, listener in listeners:
        event.listen(engine, name, listener)
    try:
        yield held
    finally:
        for name, listener in listeners:
            event.remove(engine, name, listener)
