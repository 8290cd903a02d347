"""A thread with its first question: what the post says of it is what the database holds, though it is not read back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from app.chat import assembling, owning, sending
from app.chat.idempotency import Answer, Once
from app.chat.objects import Sent
from app.chat.sending import Draft
from app.database import reading
from app.extensions import db
from app.ids import new_id
from app.jobs import queue
from app.models import Job, Message, Thread
from app.models.columns import attributes
from tests.support.statements import asked

DRAFTS: dict[str, dict[str, Any]] = {
    "bare": {},
    "titled": {"title": "Rivers"},
    "wordless": {"title": None},
    "with metadata": {"metadata": {"a": [1, {"b": None}], "ü": "ß"}},
    "later": {"after_seconds": 60.0},
    "with parameters": {
        "parameters": {
            "model": "scripted/echo",
            "instructions": "Be brief.",
            "goal": {"max_steps": 3, "max_seconds": 77, "budget_cents": None},
        }
    },
}


def kept(_: Sent) -> Answer:
    return Answer(202, None, b"{}")


@pytest.mark.parametrize("draft", DRAFTS.values(), ids=list(DRAFTS))
@pytest.mark.parametrize("has_key", [False, True], ids=["without a key", "with a key"])
def test_what_is_answered_is_what_is_stored(user_id: UUID, draft: dict[str, Any], has_key: bool) -> None:
    once = Once(user_id, str(new_id()), "same") if has_key else None
    text = " \n " if draft.get("title", "") is None else "Name three rivers."
    sent = sending.send_message(user_id, Draft(text, **draft), request_id="asked-1", once=once, render=kept)
    with reading() as session:
        stored = assembling.messages(session, [sent.message.id, sent.reply.id])
        thread = assembling.thread(session, owning.thread(session, user_id, sent.thread.id))
    assert [stored[sent.message.id], stored[sent.reply.id], thread] == [sent.message, sent.reply, sent.thread]


def test_its_job_is_that_of_a_further_post(user_id: UUID) -> None:
    given = {"parameters": DRAFTS["with parameters"]["parameters"]}
    first = sending.send_message(user_id, Draft("hello", **given), request_id="asked-1")
    further = sending.send_message(user_id, Draft("hello", first.thread.id, **given), request_id="asked-1")
    with reading() as session:
        jobs = session.execute(select(*attributes(Job)).order_by(Job.id)).all()
    assert [job.id for job in jobs] == [first.reply.job_id, further.reply.job_id]
    alike = [name for name in jobs[0]._fields if name not in {"id", "after_id", "created_at", "next_publish_at"}]
    assert [getattr(jobs[0], name) for name in alike] == [getattr(jobs[1], name) for name in alike]
    assert {job.next_publish_at - job.created_at for job in jobs} == {timedelta(seconds=queue.FIRST_AGAIN_SECONDS)}


def test_for_nobody_nothing_is_stored(user_id: UUID) -> None:
    with pytest.raises(IntegrityError):
        sending.send_message(new_id(), Draft("hello", parameters={"model": "scripted/echo"}))
    with reading() as session:
        assert [session.scalars(select(func.count()).select_from(each)).one() for each in (Thread, Message, Job)] == [
            0
        ] * 3


@pytest.mark.parametrize("shared_database_url", ["postgresql"], indirect=True)
def test_on_postgresql_it_is_one_statement_that_the_driver_keeps(user_id: UUID) -> None:
    """psycopg parses one of more than 4,096 bytes or 50 parameters each time anew."""
    with asked(db.engine) as found:
        sending.send_message(user_id, Draft("hello", **DRAFTS["with parameters"]), request_id="asked-1")
    [begun] = found
    assert len(begun.statement.encode()) <= 4096
    assert len(begun.parameters) <= 50
