"""Commands for the owner of this machine: `flask --app app …`."""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from flask_migrate import Migrate

from app.base import create_base
from app.cli.accounts import create_user, setup
from app.cli.check import check
from app.cli.listening import listen
from app.cli.sending import send
from app.extensions import db

# Found from here, wherever the process was started.
_MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"


def create_app() -> Flask:
    """The commands alone, for `flask --app app.cli`: at the start of everything, without waiting for all the doors."""
    app = create_base(is_worker=False)
    register(app)
    return app


def register(app: Flask) -> None:
    """Add the commands, Flask-Migrate's among them."""
    Migrate(app, db, directory=str(_MIGRATIONS))
    for command in (setup, create_user, listen, send, check):
        app.cli.add_command(command)
