"""Commands for the owner of this machine: `flask --app app …`."""

from __future__ import annotations

from flask import Flask

from app.cli.accounts import create_user, setup
from app.cli.check import check
from app.cli.listening import listen
from app.cli.sending import send


def register(app: Flask) -> None:
    """Add the commands."""
    for command in (setup, create_user, listen, send, check):
        app.cli.add_command(command)
