"""Commands for the owner of this machine: `flask --app app …`."""

from __future__ import annotations

import itertools
import secrets
import sys
from collections.abc import Iterator
from uuid import UUID

import click
from flask import Flask
from flask.cli import with_appcontext
from flask_migrate import upgrade
from redis.client import PubSub

from app.auth import accounts
from app.chat import sending
from app.chat.errors import ChatError
from app.chat.sending import Draft
from app.extensions import redis
from app.ids import parse_id
from app.stream import events, log
from app.stream.events import Event
from app.stream.log import Keys
from app.text import UncleanText, clean

_OWNER = "owner@holdfast.local"


def register(app: Flask) -> None:
    """Add the commands."""
    for command in (setup, create_user, listen, send):
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


@click.command()
@click.argument("thread_id")
@with_appcontext
def listen(thread_id: str) -> None:
    """Print a thread's events live, from Redis pub/sub itself."""
    if parse_id(thread_id) is None:
        raise click.BadParameter("must be a thread's id", param_hint="THREAD_ID")
    with PubSub(redis().connection_pool, ignore_subscribe_messages=True) as channel:
        channel.subscribe(Keys(thread_id).channel)
        click.echo(f"listening on {Keys(thread_id).channel}", err=True)
        for text in _live(channel):
            click.echo(text)
            sys.stdout.flush()


@click.command()
@click.argument("text")
@click.option("--thread", "thread_id", type=click.UUID, help="Post to this thread instead of a new one.")
@click.option("--model", help="Ask this model, e.g. local/smollm2.")
@with_appcontext
def send(text: str, thread_id: UUID | None, model: str | None) -> None:
    """Post a message as the first account and print the reply as it is written."""
    owner = accounts.oldest()
    if owner is None:
        raise click.ClickException("There is no account yet; run `flask --app app setup`.")
    try:
        content = clean(text)
    except UncleanText as error:
        raise click.BadParameter(str(error), param_hint="TEXT") from None
    if not content.strip():
        raise click.BadParameter("must not be empty", param_hint="TEXT")
    draft = Draft(content, thread_id, parameters={"model": model} if model else {})
    try:
        sent = sending.send_message(owner, draft)
    except ChatError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"thread {sent.thread.id}", err=True)
    _print_reply(str(sent.thread.id), str(sent.reply.id))


def _print_reply(thread_id: str, reply_id: str) -> None:
    """Subscribe, then read the log, then follow; the offsets tell what was printed already."""
    printed = ""
    with PubSub(redis().connection_pool, ignore_subscribe_messages=True) as channel:
        channel.subscribe(Keys(thread_id).channel)
        live = map(events.decode, _live(channel))
        for event in itertools.chain(log.read_tail(redis(), thread_id), live):
            if event.message_id != reply_id:
                continue
            text = _text_after(printed, event)
            if not text.startswith(printed):
                click.echo("\n[started anew]")
                printed = ""
            click.echo(text[len(printed) :], nl=False)
            printed = text
            if event.is_terminal:
                click.echo(f"\n[{event.type}]" if event.type != events.COMPLETED else "")
                return


def _live(channel: PubSub) -> Iterator[str]:
    while True:
        message = channel.get_message(timeout=60)
        if message is not None and message["type"] == "message":
            yield message["data"]


def _text_after(text: str, event: Event) -> str:
    if event.is_terminal:
        return str(event.fields["message"]["content"])
    if event.type == events.RESET:
        return str(event.fields["text"])
    if event.type == events.DELTA and event.fields["offset"] <= len(text):
        return text[: event.fields["offset"]] + str(event.fields["text"])
    return text
