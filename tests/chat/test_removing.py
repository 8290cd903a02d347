"""Responses that are removed, or were not to be stored: gone for /v1 at once, and their rows a little later."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.chat import cancelling, conversing, finishing, reading, responding, retention, threads
from app.chat.attaching import attachment
from app.chat.errors import NotFound
from app.chat.objects import Sent
from app.chat.workshop import Workshop
from app.clock import now
from app.database import reading as reads
from app.jobs.reaper import Reaper
from app.models import Attachment, Job, Message, Status, Thread
from tests.chat.asking import PNG, message, respond, set_message, url, user, written
from tests.chat.branches import begun, ending, post
from tests.chat.test_replying import status

LONG_AGO = now(-responding.AGAIN_SECONDS - 1)
UNSTORED = {"stored": False}


def gone(user_id: UUID, sent: Sent) -> bool:
    """Whether it is no response any more."""
    try:
        responding.find(user_id, sent.reply.id)
    except NotFound:
        return True
    return False


def left() -> list[int]:
    """How many threads, messages, jobs and attachments there are."""
    with reads() as session:
        return [
            session.scalars(select(func.count()).select_from(table)).one()
            for table in (Thread, Message, Job, Attachment)
        ]


def clean_up_later(*removed: Sent) -> None:
    """Let the time pass in which somebody may still read what was removed."""
    for sent in removed:
        row = message(sent.reply.id)
        if row is not None and row.removed_at is not None:
            set_message(row.id, removed_at=LONG_AGO)
    retention.clean_up()


def test_a_removed_response_is_gone_and_so_is_the_thread_that_was_made_for_it(
    workshop: Workshop, user_id: UUID
) -> None:
    sent = respond(user_id, "One")
    written(workshop, sent)
    responding.remove(user_id, sent.reply.id)
    assert gone(user_id, sent)
    with pytest.raises(NotFound):
        threads.get(user_id, sent.thread.id)
    with pytest.raises(NotFound):
        responding.remove(user_id, sent.reply.id)
    with pytest.raises(NotFound):
        respond(user_id, "Two", previous_id=sent.reply.id)
    retention.clean_up()
    assert left() == [0, 0, 0, 0]


def test_a_thread_stays_until_its_last_response_is_removed(workshop: Workshop, user_id: UUID) -> None:
    first = respond(user_id, "One")
    written(workshop, first)
    second = respond(user_id, "Two", previous_id=first.reply.id)
    written(workshop, second)
    responding.remove(user_id, first.reply.id)
    assert (gone(user_id, first), gone(user_id, second)) == (True, False)
    clean_up_later(first)
    assert left() == [1, 4, 2, 0]
    assert [entry.message.content for entry in conversing.entries(user_id, first.thread.id)] == ["One"] * 2 + [
        "Two"
    ] * 2
    responding.remove(user_id, second.reply.id)
    retention.clean_up()
    assert left() == [0, 0, 0, 0]


def test_one_at_the_end_goes_with_its_items_and_the_path_ends_before(workshop: Workshop, user_id: UUID) -> None:
    first = respond(user_id, "One")
    written(workshop, first)
    items = (user("See", attachment("items.0", "image", url(PNG))), "Two")
    second = respond(user_id, *items, previous_id=first.reply.id)
    written(workshop, second)
    responding.remove(user_id, second.reply.id)
    clean_up_later(second)
    assert left() == [1, 2, 1, 0]
    last = threads.get(user_id, first.thread.id).last_message
    assert last is not None
    assert last.id == first.reply.id


def test_in_a_conversation_and_in_a_thread_of_api_a_removed_response_stays_a_message(
    workshop: Workshop, user_id: UUID
) -> None:
    made = conversing.create(user_id, [], metadata={})
    sent, of_api = respond(user_id, "One", thread_id=made.id), post(user_id)
    for each in (sent, of_api):
        written(workshop, each)
        responding.remove(user_id, each.reply.id)
        assert gone(user_id, each)
    clean_up_later(sent, of_api)
    assert left() == [2, 4, 2, 0]
    assert reading.get(user_id, sent.reply.id).content == "One"


def test_one_that_runs_is_cancelled(user_id: UUID, workshop: Workshop) -> None:
    queued = respond(user_id, "One")
    responding.remove(user_id, queued.reply.id)
    assert queued.reply.job_id is not None
    assert status(queued.reply.job_id) is Status.CANCELLED
    running = respond(user_id, "Two")
    claim = begun(running)
    responding.remove(user_id, running.reply.id)
    assert gone(user_id, running)
    assert finishing.finish(claim, ending(status=Status.CANCELLED, reason="cancelled"))
    retention.clean_up()
    assert left() == [0, 0, 0, 0]


def test_what_is_not_to_be_stored_is_a_response_until_its_end(workshop: Workshop, user_id: UUID) -> None:
    sent = respond(user_id, "One", parameters=UNSTORED)
    assert not gone(user_id, sent)
    written(workshop, sent)
    assert gone(user_id, sent)
    assert reading.get(user_id, sent.reply.id).content == "One"  # for whoever waits for it
    retention.clean_up()
    assert left() == [1, 2, 1, 0]
    clean_up_later(sent)
    retention.clean_up()
    assert left() == [0, 0, 0, 0]


def test_however_it_ends_it_is_removed(user_id: UUID, reaper: Reaper, workshop: Workshop) -> None:
    cancelled, failed = (respond(user_id, text, parameters=UNSTORED) for text in ("One", "!error 400"))
    cancelling.cancel(user_id, cancelled.reply.id)
    written(workshop, failed)
    assert [gone(user_id, each) for each in (cancelled, failed)] == [True, True]


def test_in_a_conversation_it_leaves_nothing_behind(workshop: Workshop, user_id: UUID) -> None:
    made = conversing.create(user_id, [user("Before")], metadata={})
    sent = respond(user_id, "One", "Two", thread_id=made.id, parameters=UNSTORED)
    written(workshop, sent)
    clean_up_later(sent)
    assert [entry.message.content for entry in conversing.entries(user_id, made.id)] == ["Before"]
    assert left() == [1, 1, 0, 0]


def test_what_something_was_written_from_stays(workshop: Workshop, user_id: UUID) -> None:
    made = conversing.create(user_id, [], metadata={})
    sent = respond(user_id, "One", thread_id=made.id, parameters=UNSTORED)
    written(workshop, sent)
    on = respond(user_id, "Two", thread_id=made.id)
    written(workshop, on)
    clean_up_later(sent)
    assert left() == [1, 4, 2, 0]
