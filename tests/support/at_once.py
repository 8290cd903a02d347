"""Use cases that race: all of them started in the same moment, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from flask import Flask

from tests.support.held import counted

T = TypeVar("T")


def at_once(app: Flask, actions: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """What each action returns or raises.

    None may hold two connections: with all others waiting for what it has locked, there may be no second one.
    """
    start, found = threading.Barrier(len(actions)), dict[int, T | Exception]()

    def act(number: int, action: Callable[[], T]) -> None:
        with app.app_context():
            start.wait(20)
            try:
                found[number] = action()
            except Exception as error:
                found[number] = error

    threads = [threading.Thread(target=act, args=pair) for pair in enumerate(actions)]
    with app.app_context(), counted() as held:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert held.most <= 1
    return [found[number] for number in range(len(actions))]
