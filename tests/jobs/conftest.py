from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from flask import Flask

from app.chat import finishing
from app.extensions import settings
from app.jobs.presence import Presence
from app.jobs.reaper import Reaper
from tests.support.own_valkey import own_valkey
from tests.support.shared_app import app, make_app, shared_app, shared_database_url, shared_settings

__all__ = ["app", "make_app", "own_valkey", "shared_app", "shared_database_url", "shared_settings"]

MakePresence = Callable[..., Presence]


@pytest.fixture
def reaper(app: Flask) -> Reaper:
    """The reaper as a worker has it; the tests make its passes."""
    return Reaper(app, settings(), finishing.end_abandoned, finishing.announce)


@pytest.fixture
def make_presence(app: Flask) -> Iterator[MakePresence]:
    """Presences that beat fast, on a lease that only a test lets lapse; they leave with the test."""
    with ExitStack() as leaving:

        def make(lease_seconds: float = 60) -> Presence:
            changed = {"lease_seconds": lease_seconds, "heartbeat_seconds": min(0.02, lease_seconds / 4)}
            presence = Presence(app, settings().model_copy(update=changed))
            presence.start()
            leaving.callback(presence.leave)
            return presence

        yield make


@pytest.fixture
def presence(make_presence: MakePresence) -> Presence:
    return make_presence()
