"""`setup` and `create-user`: the database brought up to date, and accounts."""

from __future__ import annotations

import secrets

import click
from flask.cli import with_appcontext
from flask_migrate import upgrade

from app.auth import accounts

_OWNER = "owner@holdfast.local"


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
