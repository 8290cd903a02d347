"""Readers of numbered events, for tests: live, and again from what is stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.chat import numbered
from app.chat.numbered import Told
from app.stream.hub import Hub
from app.stream.output import Beat, Of
from tests.chat.acting import Acting
from tests.chat.conftest import a_key
from tests.stream.numbering import shape
from tests.support.stack import until


@pytest.fixture
def acting(user_id: UUID) -> Acting:
    return Acting(user_id)


class Reading:
    """A reader in a thread of its own, with what it was told, and as a surface shows that at the moment it is told."""

    def __init__(self, app: Flask, stream: Iterator[Beat | None]) -> None:
        self.beats: list[Beat] = []
        self.shapes: list[tuple[Any, ...]] = []
        self.heartbeats = 0
        self._thread = threading.Thread(target=self._read, args=(app, stream), daemon=True)
        self._thread.start()

    def _read(self, app: Flask, stream: Iterator[Beat | None]) -> None:
        with app.app_context():
            for beat in stream:
                if beat is None:
                    self.heartbeats += 1
                else:
                    self.shapes.append(shape(beat))
                    self.beats.append(beat)

    def ended(self, seconds: float = 20) -> Reading:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), self.shapes
        return self

    @property
    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    @property
    def said(self) -> str:
        """All text it was told, with what was taken back."""
        return "".join(beat.text for beat in self.beats if beat.item is not None and beat.item.of is Of.TEXT)


Follow = Callable[..., Reading]


@pytest.fixture
def follow(app: Flask, hub: Hub, user_id: UUID) -> Follow:
    key = a_key(user_id)

    def begin(reply_id: UUID, after: int = -1) -> Reading:
        made = Reading(app, numbered.follow(hub, user_id, key, reply_id, after))
        until(lambda: made.heartbeats or made.beats or made.has_ended, what="the reader's first item")
        return made

    return begin


@pytest.fixture
def told(user_id: UUID) -> Callable[[UUID], Told]:
    return lambda reply_id: numbered.read(user_id, reply_id)


def shapes(told: Told) -> list[tuple[Any, ...]]:
    return [shape(beat) for beat in told.beats]


def kinds(beats: list[Beat]) -> list[str]:
    return [beat.kind.value for beat in beats]


def above(number: int, told: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [one for one in told if one[0] > number]


OPENED, CLOSED = ["begun", "item added", "part added"], ["text done", "part done", "item done", "ended"]
