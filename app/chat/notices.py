"""Events that are sent outside a reply's own stream; losing one costs a reader nothing but a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import structlog
from redis.exceptions import RedisError

from app.chat.objects import MessageObject, ThreadObject
from app.extensions import redis, settings
from app.stream import events, log
from app.stream.events import Event

logger = structlog.get_logger(__name__)


def messages_created(*messages: MessageObject) -> None:
    """Tell the thread's readers of new messages."""
    send(*(message_event(events.CREATED, message) for message in messages))


def thread_updated(thread: ThreadObject) -> None:
    """Tell the thread's readers that its title, settings or state changed."""
    send(thread_event(thread))


def thread_event(thread: ThreadObject) -> Event:
    """An event that carries a whole thread."""
    return Event(events.THREAD_UPDATED, str(thread.id), fields={"thread": thread.public()})


def message_event(type_: str, message: MessageObject) -> Event:
    """An event that carries a whole message."""
    return Event(type_, str(message.thread_id), str(message.id), message.attempt, {"message": message.public()})


def send(*to_send: Event) -> None:
    """Append events that are nobody's attempt's; without Redis they are lost."""
    with _losing():
        log.append(redis(), settings(), to_send)


@contextmanager
def sending(*to_send: Event) -> Iterator[None]:
    """Append such events, and wait for it only after the block: what that sends to Redis gets there later."""
    with ExitStack() as answer:
        with _losing():
            answer.enter_context(log.appending(redis(), settings(), to_send, in_order=True))
        yield
        with _losing():
            answer.close()


@contextmanager
def _losing() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        logger.warning("notice not sent; readers fall back to the database", error=type(error).__name__)
