"""What clients posted and cancelled, against the rows: G1, G8 and G9."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from app.clock import now
from app.database import transaction
from app.models import Job, Message
from tests.chat.acting import Acting
from tests.check.conftest import Check
from tests.check.story import Story, Transcript
from tests.support import rows


@pytest.fixture
def poster(tmp_path: Path, story: Story) -> Transcript:
    return Transcript(tmp_path / "transcripts", story.user_id, via="post", id_="")


def posted(acting: Acting, **changed: Any) -> dict[str, Any]:
    """The line of an accepted post."""
    ids = {
        "thread_id": str(acting.thread_id),
        "message_id": str(acting.sent.message.id),
        "reply_id": str(acting.reply_id),
    }
    return {"status": 202, "idempotency_key": str(acting.reply_id), "content": "hello", **ids} | changed


def all_of(story: Story) -> list[dict[str, Any]]:
    return [posted(acting) for acting in (story.first, story.second, story.third)]


def test_what_was_accepted_is_there_once_and_in_order(check: Check, story: Story, poster: Transcript) -> None:
    for line in all_of(story):
        poster.write(posted=line)
    poster.write(posted=all_of(story)[2])  # the same answer to a repetition
    poster.write(posted={"status": 422, "idempotency_key": "x", "content": "refused"})
    poster.write(cancelled={"message_id": str(story.third.reply_id), "status": 202})
    poster.write(cancelled={"message_id": str(story.first.reply_id), "status": 200})
    report = check("--transcripts", poster.path.parent)
    assert (report.code, report.violated) == (0, set()), report.stdout
    assert "4 accepted posts" in report.about("G1")[0]
    assert "2 posts in order" in report.about("G9")[0]
    assert "2 cancels that clients sent" in report.about("G8")[0]


def test_an_accepted_post_that_is_lost(check: Check, story: Story, poster: Transcript) -> None:
    with transaction() as session:
        session.execute(delete(Message).where(Message.id == story.third.reply_id))
        session.execute(delete(Message).where(Message.id == story.third.sent.message.id))
        session.execute(delete(Job).where(Job.id == story.third.job_id))
    poster.write(posted=posted(story.third))
    report = check("--transcripts", poster.path.parent)
    assert report.says("G1", "was accepted, but is not stored (post-0.jsonl:2)")
    assert report.says("G1", f"was accepted, but its message {story.third.sent.message.id} is not stored")


def test_an_accepted_post_that_is_stored_as_something_else(check: Check, story: Story, poster: Transcript) -> None:
    poster.write(posted=posted(story.first, content="other words"))
    poster.write(posted=posted(story.second, message_id=str(story.first.sent.message.id)))
    poster.write(posted=posted(story.third, thread_id=str(rows.a_thread())))
    with transaction() as session:
        session.execute(update(Message).where(Message.id == story.first.reply_id).values(job_id=None))
    report = check("--transcripts", poster.path.parent)
    assert report.says("G1", f"{story.first.reply_id}: was accepted, but other words are stored")
    assert report.says("G1", f"{story.first.reply_id}: was accepted, but has no job")
    assert report.says("G1", f"{story.second.reply_id}: was accepted, but follows {story.second.sent.message.id}")
    assert report.says("G1", f"{story.third.reply_id}: was accepted, but stands in thread {story.thread_id}")


def test_words_are_compared_as_the_door_cleans_them(check: Check, story: Story, poster: Transcript) -> None:
    for acting in (story.first, story.second, story.third):
        poster.write(posted=posted(acting, content="hel\x01lo"))
    assert check("--transcripts", poster.path.parent).violated == set()


def test_one_key_that_made_two_messages(check: Check, story: Story, poster: Transcript) -> None:
    poster.write(posted=posted(story.first, idempotency_key="one"))
    poster.write(posted=posted(story.second, idempotency_key="one"))
    assert check("--transcripts", poster.path.parent).says("G1", "were made with one idempotency key")


def test_a_post_that_was_stored_twice(check: Check, story: Story, poster: Transcript) -> None:
    for line in all_of(story):
        poster.write(posted=line)
    again = {"thread_id": story.thread_id, "user_id": story.user_id, "role": "user", "content": "hello"}
    with transaction() as session:
        session.execute(insert(Message).values(**again))
    folder = poster.path.parent
    assert check("--transcripts", folder).says(
        "G1", "has a message 4 times that, as the transcripts tell, was posted 3 times"
    )
    poster.write(posted={"status": None, "idempotency_key": "its answer was lost", "content": "hello"})
    assert check("--transcripts", folder).violated == set()


def test_messages_that_do_not_keep_their_order(check: Check, story: Story, poster: Transcript) -> None:
    poster.write(posted=posted(story.second)).write(posted=posted(story.first))
    assert check("--transcripts", poster.path.parent).says("G9", f"does not follow {story.second.reply_id}")


def test_a_cancel_that_was_answered_but_not_noted(check: Check, story: Story, poster: Transcript) -> None:
    cancelled = {"message_id": str(story.second.reply_id), "status": 202}
    poster.write(cancelled=cancelled, time=time.time() - 60)
    assert check("--transcripts", poster.path.parent).says("G8", "its cancel was answered with 202, but never noted")


def test_a_cancel_that_came_after_the_end_needs_no_note(check: Check, story: Story, poster: Transcript) -> None:
    rows.set_job(story.second.job_id, finished_at=now(-60), started_at=now(-70))
    poster.write(cancelled={"message_id": str(story.second.reply_id), "status": 200})
    poster.write(cancelled={"message_id": str(story.first.reply_id), "status": 404}, time=time.time() - 60)
    assert "G8" not in check("--transcripts", poster.path.parent).violated
