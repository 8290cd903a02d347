"""Numbered events of replies that a worker writes: tries, steps, calls, pauses."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import select

from app.chat import answering, cancelling, replying
from app.chat.workshop import Workshop
from app.database import reading
from app.models import Job, Status
from app.stream.output import Kind, Of
from tests.chat.conftest import MakeWorkshop
from tests.chat.numbered_readers import Follow, follow, shapes, told
from tests.chat.test_replying import posted
from tests.chat.tooling import asking_for, call, crashed_while_calling, script, written_aside
from tests.support import rows
from tests.support.rows import reply_of
from tests.support.stack import until

__all__ = ["follow", "told"]


def test_a_failed_try_is_closed_and_another_item_begun(
    workshop: Workshop, user_id: UUID, follow: Follow, told: Any
) -> None:
    said = f"word {user_id}"  # a script of its own: failures are counted by script
    job_id = posted(user_id, f"!reason Hm\nHalf a\n!error 429 retry-after=0 times=1\n{said}")
    live = follow(reply_of(job_id).id)
    replying.process_message(workshop, job_id)
    assert live.ended().shapes == shapes(told(reply_of(job_id).id))
    items = told(reply_of(job_id).id).output.items
    assert [(item.of, item.dropped, item.text) for item in items] == [
        (Of.REASONING, True, "Hm"),
        (Of.TEXT, True, "Half a"),
        (Of.REASONING, False, "Hm"),
        (Of.TEXT, False, f"Half a\n{said}"),
    ]
    assert told(reply_of(job_id).id).output.text == reply_of(job_id).content


def test_steps_calls_and_their_results_are_told_in_order(
    workshop: Workshop, user_id: UUID, follow: Follow, told: Any
) -> None:
    job_id = posted(user_id, script(f"Let me see.\n{call('calculator', expression='1 + 1')}", "!results"))
    live = follow(reply_of(job_id).id)
    replying.process_message(workshop, job_id)
    assert live.ended().shapes == shapes(told(reply_of(job_id).id))
    first, called, last = told(reply_of(job_id).id).output.output
    assert (first.text, called.of, last.text) == ("Let me see.", Of.TOOL, "\n\n2")
    assert [one.kind for one in live.beats if one.item is not None and one.item.index == 1] == [
        *(Kind.ITEM_ADDED, Kind.DELTA, Kind.TEXT_DONE, Kind.CALL_BEGUN, Kind.CALL_ENDED, Kind.ITEM_DONE)
    ]
    with reading() as session:
        assert session.scalars(select(Job.lost).where(Job.id == job_id)).one() == ""


def test_a_crash_in_a_call_leaves_the_call_open_until_its_end_is_known(
    workshop: Workshop, user_id: UUID, follow: Follow, told: Any
) -> None:
    job_id = posted(user_id, script(f"First.\n{call('calculator', expression='1 + 1')}", "!results"))
    live = follow(reply_of(job_id).id)
    crashed_while_calling(workshop, job_id)
    rows.set_job(job_id, status=Status.PENDING)
    replying.process_message(workshop, job_id)
    assert live.ended().shapes == shapes(told(reply_of(job_id).id))
    assert [item.dropped for item in told(reply_of(job_id).id).output.items] == [False, False, False]
    assert told(reply_of(job_id).id).output.text == reply_of(job_id).content


def test_a_pause_leaves_no_gap_in_the_numbers(workshop: Workshop, user_id: UUID, follow: Follow, told: Any) -> None:
    asked = script(f"Hm.\n{call('ask_user', question='Well?')}", "!results")
    job_id = posted(user_id, asked, **asking_for(["ask_user"]))
    live = follow(reply_of(job_id).id)
    replying.process_message(workshop, job_id)
    action = reply_of(job_id).required_action
    assert action is not None
    answering.answer(user_id, reply_of(job_id).id, UUID(action["id"]), content="Yes")
    replying.process_message(workshop, job_id)
    assert live.ended().shapes == shapes(told(reply_of(job_id).id))
    numbers = [beat.number for beat in live.beats]
    assert numbers == list(range(2, 2 + len(numbers)))


def test_a_hand_over_leaves_no_gap_and_takes_back_what_was_begun(
    app: Flask, make_workshop: MakeWorkshop, user_id: UUID, follow: Follow, told: Any
) -> None:
    job_id = posted(user_id, "!delay 0.02\n!words 40")
    live, leaving = follow(reply_of(job_id).id), make_workshop()
    with written_aside(app, leaving, job_id):
        until(lambda: "w5" in live.said, what="some words")
        leaving.presence.drain()
    replying.process_message(make_workshop(), job_id)
    assert live.ended().shapes == shapes(told(reply_of(job_id).id))
    numbers = [beat.number for beat in live.beats]
    assert numbers == list(range(2, 2 + len(numbers)))
    assert told(reply_of(job_id).id).output.text == reply_of(job_id).content


def test_a_long_reasoning_is_kept_though_no_text_follows(
    app: Flask, make_workshop: MakeWorkshop, user_id: UUID
) -> None:
    job_id = posted(user_id, "!reason because\n!silence")
    with written_aside(app, make_workshop(checkpoint_seconds=0.1), job_id):
        until(lambda: "because" in score_of(job_id), what="the reasoning in the row")
        cancelling.cancel_job(job_id)


def score_of(job_id: UUID) -> str:
    with reading() as session:
        return session.scalars(select(Job.score).where(Job.id == job_id)).one()


def test_functions_of_the_caller_are_told_whole_and_left_to_it(
    workshop: Workshop, user_id: UUID, follow: Follow, told: Any
) -> None:
    functions = [{"name": "look", "parameters": {"type": "object", "properties": {}}}]
    job_id = posted(user_id, f"Let me look.\n{call('look')}", parameters={"functions": functions})
    live = follow(reply_of(job_id).id)
    replying.process_message(workshop, job_id)
    assert live.ended().shapes == shapes(told(reply_of(job_id).id))
    said, called = told(reply_of(job_id).id).output.output
    assert (said.text, called.of, called.complete) == ("Let me look.", Of.FUNCTION, True)
    assert rows.job(job_id).status is Status.COMPLETED
