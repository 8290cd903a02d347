"""`listen`: a thread's events as Redis has them."""

from __future__ import annotations

import sys

import click
from flask.cli import with_appcontext
from redis.client import PubSub

from app.cli import live
from app.extensions import redis
from app.ids import parse_id
from app.stream.log import Keys
from app.text import for_terminal


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
        for text in live.messages(channel):
            click.echo(for_terminal(text))
            sys.stdout.flush()
