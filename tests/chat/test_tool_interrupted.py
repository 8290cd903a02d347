"""Tool calls that are cancelled, given up, or lose their worker."""

from __future__ import annotations

from uuid import UUID

from flask import Flask

from app.chat.workshop import Workshop
from app.jobs.reaper import Reaper
from app.models import Status
from app.tools.tool import tool
from tests.chat.conftest import MakeWorkshop
from tests.chat.test_replying import posted, status, written
from tests.chat.tooling import (
    Held,
    asking_for,
    call,
    calls_of,
    crashed_while_calling,
    holding,
    offering,
    script,
    steps_of,
)
from tests.support import rows


def test_a_call_that_may_not_be_repeated_is_unknown_after_a_crash(
    workshop: Workshop, user_id: UUID, reaper: Reaper
) -> None:
    ran: list[str] = []

    @tool()
    def pay(amount: int) -> str:
        """Pay."""
        ran.append("pay")
        return "paid"

    @tool(idempotent=True)
    def look(at: str) -> str:
        """Look."""
        ran.append("look")
        return "seen"

    asked = script(call("pay", amount=5) + "\n" + call("look", at="it"), "!results")
    job_id = posted(user_id, asked, **asking_for(["pay", "look"]))
    crashed_while_calling(workshop, job_id, pay, look)
    reaper.pass_once()
    reply = written(offering(workshop, pay, look), job_id)
    assert (status(job_id), ran) == (Status.COMPLETED, ["look"])
    unknown, seen = calls_of(job_id)
    assert (unknown.status, unknown.attempt, seen.status, seen.attempt) == ("failed", 1, "completed", 2)
    assert "unknown" in (unknown.error or "")
    assert reply.content == f"{unknown.error}\nseen"
    assert len(steps_of(job_id)) == 2


def test_a_worker_that_is_told_to_stop_lets_a_tool_end(app: Flask, workshop: Workshop, user_id: UUID) -> None:
    job_id = posted(user_id, script("Calling\n!tool hold", "!results"), **asking_for(["hold"]))
    with holding(app, workshop, job_id) as held:
        workshop.presence.drain()
        held.let_go.set()
    job = rows.job(job_id)
    assert (job.status, job.crashes, job.settled) == (Status.PENDING, 0, "Calling")
    assert [(made.status, made.result) for made in calls_of(job_id)] == [("completed", "let go")]


def test_a_tool_past_its_time_is_given_up_and_the_model_told(make_workshop: MakeWorkshop, user_id: UUID) -> None:
    held = Held()
    job_id = posted(user_id, script("!tool hold", "!results"), **asking_for(["hold"]))
    reply = written(offering(make_workshop(tool_seconds=0.2), held.tool()), job_id)
    held.let_go.set()
    assert status(job_id) is Status.COMPLETED
    assert "0.2 s" in reply.content
