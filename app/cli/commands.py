"""All commands together."""

from __future__ import annotations

from flask import Flask

from app.cli import accounts
from app.cli.check import check
from app.cli.listening import listen
from app.cli.sending import send


def register(app: Flask) -> None:
    """Add the commands, Flask-Migrate's among them."""
    accounts.register(app)
    for command in (listen, send, check):
        app.cli.add_command(command)
