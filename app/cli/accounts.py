"""`setup` and `create-user`: the database brought up to date, and accounts."""

from __future__ import annotations

import secrets
from pathlib import Path

import click
from flask import Flask
from flask.cli import with_appcontext
from flask_migrate import Migrate, upgrade

from app.auth import accounts
from app.base import create_base
from app.extensions import db

_OWNER = "owner@holdfast.local"
# Found from here, wherever the process was started.
_MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"


def create_app() -> Flask:
    """These commands alone, for `flask --app app.cli.accounts`: what is waited for at the start of everything."""
    app = create_base(is_worker=False)
    register(app)
    return app


def register(app: Flask) -> None:
    """Add the commands, and Flask-Migrate's."""
    Migrate(app, db, directory=str(_MIGRATIONS))
    for command in (setup, create_user):
        app.cli.add_command(command)


@click.command()
@with_appcontext
def setup() -> None:
    """Bring the database up to date; on the first start make the owner's account and print its API key."""
    upgrade()
    if accounts.count() == 0:
        password = secrets.token_urlsafe(12)
        _, key = accounts.create(_OWNER, password)
        click.echo(f"Account: {_OWNER}, password: {password}")
        click.echo(f"API key: {key}")


@click.command("create-user")
@click.argument("email")
@click.password_option()
@with_appcontext
def create_user(email: str, password: str) -> None:
    """Make an account, whatever SIGNUP says, and print its API key."""
    _, key = accounts.create(email, password)
    click.echo(f"API key: {key}")
