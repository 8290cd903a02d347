"""What is committed of a reply stays, only its holder commits it, and nothing that follows from it comes sooner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.chat import cancelling, replying, sending
from app.chat.sending import Draft
from app.chat.workshop import Workshop
from app.database import reading
from app.models import Message, Status
from app.stream import events
from app.tools.errors import ToolUnavailable
from app.tools.tool import tool
from tests.chat.test_replying import logged, posted, status, written
from tests.chat.tooling import asking_for, call, calls_of, offering, script, steps_of
from tests.support import rows
from tests.support.rows import reply_of


def test_a_failed_try_takes_back_only_what_is_not_committed(workshop: Workshop, user_id: UUID) -> None:
    again = f"More words\n!error 503 times=1\nfor {user_id}"  # each script fails once in this process
    job_id = posted(user_id, script(f"First.\n{call('calculator', expression='1 + 1')}", again))
    assert written(workshop, job_id).content == f"First.\n\nMore words\nfor {user_id}"
    assert rows.job(job_id).settled == "First."
    resets = [event.fields["text"] for event in logged(job_id) if event.type == events.RESET]
    assert resets == ["First."]


def test_the_beginning_of_a_call_can_be_read_by_everybody_when_it_runs(workshop: Workshop, user_id: UUID) -> None:
    seen: list[tuple[str, int]] = []

    @tool()
    def look() -> str:
        """Look at the rows."""
        seen.extend((made.status, made.attempt) for made in calls_of(job_id))
        return "seen"

    job_id = posted(user_id, script(call("look"), "!results"), **asking_for(["look"]))
    assert written(offering(workshop, look), job_id).content == "seen"
    assert seen == [("processing", 1)]


@pytest.mark.parametrize(("idempotent", "times"), [(True, 2), (False, 1)])
def test_a_call_that_fails_is_tried_again_only_where_that_does_no_harm(
    workshop: Workshop, user_id: UUID, idempotent: bool, times: int
) -> None:
    ran: list[str] = []

    @tool(idempotent=idempotent)
    def shaky() -> str:
        """Fail in a way that may pass."""
        ran.append("ran")
        raise ToolUnavailable("not now")

    job_id = posted(user_id, script(call("shaky"), "!results"), **asking_for(["shaky"]))
    assert "not now" in written(offering(workshop, shaky), job_id).content
    assert len(ran) == times


def test_who_has_lost_the_reply_stores_neither_results_nor_steps(workshop: Workshop, user_id: UUID) -> None:
    @tool(idempotent=True)
    def lose() -> str:
        """Let another worker take the reply."""
        rows.set_job(job_id, lease_id=rows.a_lease())
        return "late"

    job_id = posted(user_id, script(f"First\n{call('lose')}", "never"), **asking_for(["lose"]))
    replying.process_message(offering(workshop, lose), job_id)
    [made] = calls_of(job_id)
    assert (made.status, made.result, len(steps_of(job_id))) == ("processing", None, 1)
    assert (status(job_id), reply_of(job_id).content) == (Status.PROCESSING, "")


def test_no_call_stays_open_in_a_reply_that_has_ended(workshop: Workshop, user_id: UUID) -> None:
    job_id = posted(user_id, script(call("ask_user", question="Well?"), "never"), **asking_for(["ask_user"]))
    replying.process_message(workshop, job_id)
    cancelling.cancel_job(job_id)
    [made] = calls_of(job_id)
    assert (status(job_id), made.status, made.completed_at is None) == (Status.CANCELLED, "failed", False)


def test_what_steers_is_heard_although_nobody_knew_whether_it_was_committed(workshop: Workshop, user_id: UUID) -> None:
    @tool(idempotent=True)
    def chime() -> str:
        """Somebody says something."""
        sending.send_message(user_id, Draft("and hurry", rows.job(job_id).thread_id, busy="steer"))
        return "said"

    job_id = posted(user_id, script(call("chime"), "!heard"), **asking_for(["chime"]))
    with lost_after_the_commit(job_id):
        reply = written(offering(workshop, chime), job_id)
    assert (status(job_id), reply.content) == (Status.COMPLETED, "and hurry")
    assert reply.parent_id == steering_message(job_id).id


def steering_message(job_id: UUID) -> Message:
    thread_id = rows.job(job_id).thread_id
    said = select(Message).where(Message.thread_id == thread_id, Message.role == "user", Message.content == "and hurry")
    with reading() as session:
        return session.scalars(said).one()


@contextmanager
def lost_after_the_commit(job_id: UUID) -> Iterator[None]:
    """The connection breaks right after the commit in which the reply takes what steers it."""
    was_lost: list[bool] = []

    def lose(session: Session) -> None:
        if not session.autoflush:
            return  # it only reads, as what is asked here
        if not was_lost and rows.job(job_id).steers and steering_message(job_id).steers_job_id is None:
            was_lost.append(True)
            raise OperationalError("COMMIT", {}, Exception("the connection broke"))

    event.listen(Session, "after_commit", lose)
    try:
        yield
    finally:
        event.remove(Session, "after_commit", lose)
    assert was_lost
