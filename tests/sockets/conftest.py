"""The application served over real sockets, on each database, and people who talk to it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import pytest
from flask import Flask
from werkzeug.serving import make_server

from tests.api.conftest import MakeApp, Person, ada, app, ben, make_app, own_valkey, sign_up
from tests.sockets.talk import Talk, talking
from tests.support.serving import serving

__all__ = ["MakeApp", "Person", "ada", "app", "ben", "make_app", "own_valkey", "sign_up"]


@dataclass
class Site:
    """A served application."""

    app: Flask
    port: int

    @property
    def url(self) -> str:
        """Where its WebSockets are."""
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def sockets(self) -> int:
        """How many are open."""
        return int(self.app.extensions["sockets"].count)

    @property
    def readers(self) -> int:
        """How many threads they follow."""
        return int(self.app.extensions["hub"].readers)

    def talk(self, person: Person, **headers: str) -> AbstractContextManager[Talk]:
        """A connection of somebody's, with their key."""
        return talking(self.url, {"Authorization": f"Bearer {person.key}", **headers})


Serve = Callable[[Flask], Site]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves an application, each request in a thread of its own."""
    with ExitStack() as running:

        def start(app: Flask) -> Site:
            server = make_server("127.0.0.1", 0, app, threaded=True)
            server.daemon_threads = True
            running.enter_context(serving(server))
            running.callback(app.extensions["hub"].close)
            running.callback(app.extensions["sockets"].close)
            return Site(app, server.server_port)

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        yield start


@pytest.fixture
def site(app: Flask, serve: Serve) -> Site:
    """The application, served."""
    return serve(app)
