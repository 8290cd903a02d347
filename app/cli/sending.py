"""`send`: post a message and print its reply as it is written."""

from __future__ import annotations

import itertools
from uuid import UUID

import click
from flask.cli import with_appcontext
from redis.client import PubSub

from app.auth import accounts
from app.chat import sending
from app.chat.errors import ChatError
from app.chat.sending import Draft
from app.cli import live
from app.extensions import redis
from app.stream import events, log
from app.stream.events import Event
from app.stream.log import Keys
from app.text import UncleanText, clean, for_terminal


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
        heard = map(events.decode, live.messages(channel))
        for event in itertools.chain(log.read_tail(redis(), thread_id), heard):
            if event.message_id != reply_id:
                continue
            text = _text_after(printed, event)
            if not text.startswith(printed):
                click.echo("\n[started anew]")
                printed = ""
            click.echo(for_terminal(text[len(printed) :]), nl=False)
            printed = text
            if event.is_terminal:
                click.echo(f"\n[{event.type}]" if event.type != events.COMPLETED else "")
                return


def _text_after(text: str, event: Event) -> str:
    if event.is_terminal:
        return str(event.fields["message"]["content"])
    if event.type == events.RESET:
        return str(event.fields["text"])
    if event.type == events.DELTA and event.fields["offset"] <= len(text):
        return text[: event.fields["offset"]] + str(event.fields["text"])
    return text
