"""Nobody asks the pool for a connection while holding one: with few of them, everybody would wait for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from flask import Flask

from app.chat import branching, cancelling, following, reading, replying, sending, threads
from app.chat.sending import Draft
from app.chat.workshop import Workshop
from app.database import glance
from app.jobs import queue
from app.jobs.reaper import Reaper
from app.stream.hub import Hub
from tests.chat.acting import opened, read
from tests.chat.conftest import a_key
from tests.chat.test_replying import posted
from tests.support.held import Held, counted


@pytest.fixture
def held(app: Flask) -> Iterator[Held]:
    with counted() as held:
        yield held


def test_posting_answering_and_reading_take_one_each(
    workshop: Workshop, user_id: UUID, hub: Hub, reaper: Reaper, held: Held
) -> None:
    job_id = posted(user_id, "Hello")
    replying.process_message(workshop, job_id)
    sent = sending.send_message(user_id, Draft("!wait for=somebody"))
    thread_id, reply_id = sent.thread.id, sent.reply.id
    branching.edit(user_id, sent.message.id, "Hello again")
    sending.send_message(user_id, Draft("later", thread_id, busy="interrupt"))
    cancelling.cancel(user_id, reply_id)
    stream = opened(following.thread(hub, user_id, a_key(user_id), thread_id, None))
    read(stream, lambda taken: taken.types)
    reading.path(user_id, thread_id, limit=10, cursor=None)
    threads.get(user_id, thread_id)
    queue.publish_ready()
    reaper.pass_once()
    assert held.most == 1


def test_two_at_once_would_be_seen(held: Held) -> None:
    with glance(), glance():
        pass
    assert held.most == 2
