"""The threads of a closed hub outlive `close`: one may still hold a connection of its application's pool."""

from __future__ import annotations

import threading

from flask import Flask

from app.extensions import db
from tests.support.stack import until


def await_ended() -> None:
    """Wait until no closed hub listens or looks any more, so that its connections can be thrown away."""
    until(lambda: not any(thread.name.startswith("hub") for thread in threading.enumerate()), what="the hub's end")


def end(application: Flask) -> None:
    """Close an application's hub, and then its database."""
    application.extensions["hub"].close()
    await_ended()
    with application.app_context():
        db.engine.dispose()
