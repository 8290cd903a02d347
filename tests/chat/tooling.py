"""What tests of replies with tools are made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from app.chat import replying
from app.chat.workshop import Workshop
from app.database import reading as reads
from app.models import Message, Step, ToolCall
from app.tools.running import Ended, Runner
from app.tools.tool import Tool, tool
from tests.support import rows


def calls_of(job_id: UUID) -> list[ToolCall]:
    with reads() as session:
        of_reply = select(ToolCall).join(Message, Message.id == ToolCall.message_id).where(Message.job_id == job_id)
        return list(session.scalars(of_reply.order_by(ToolCall.id)))


def steps_of(job_id: UUID) -> list[Step]:
    with reads() as session:
        return list(session.scalars(select(Step).where(Step.job_id == job_id).order_by(Step.number)))


def script(*parts: str) -> str:
    """One part for each model call."""
    return "\n!step\n".join(parts)


def call(name: str, /, **arguments: Any) -> str:
    return f"!tool {name} {json.dumps(arguments)}"


def asking_for(tools: Sequence[str]) -> dict[str, Any]:
    return {"parameters": {"tools": list(tools)}}


def offering(workshop: Workshop, *extra: Tool) -> Workshop:
    """The same workshop with further tools, offered to who names them."""
    found = {one.name: one for one in extra}
    return replace(workshop, listing=lambda _: (found, {}))


class Dying(Runner):
    """Where a worker dies whose calls are begun and not yet run."""

    def run(self, *_: object) -> Iterator[Ended]:
        raise SystemExit


def crashed_while_calling(workshop: Workshop, job_id: UUID, *tools: Tool) -> None:
    """Bring the reply to where its calls are begun and none has ended, and lose the worker there."""

    with pytest.raises(SystemExit):
        replying.process_message(replace(offering(workshop, *tools), runner=Dying()), job_id)
    rows.set_job(job_id, lease_id=None)


class Held:
    """A tool call that does not end before it is let go."""

    def __init__(self) -> None:
        self.began, self.let_go = Event(), Event()

    def tool(self) -> Tool:
        @tool(timeout_seconds=30)
        def hold() -> str:
            """Hold on."""
            self.began.set()
            self.let_go.wait(20)
            return "let go"

        return hold


@contextmanager
def written_aside(app: Flask, workshop: Workshop, job_id: UUID) -> Iterator[None]:
    """The reply in a thread of its own; it has ended when the block has."""

    def write() -> None:
        with app.app_context():
            replying.process_message(workshop, job_id)

    worker = Thread(target=write, daemon=True)
    worker.start()
    yield
    worker.join(20)
    assert not worker.is_alive()


@contextmanager
def holding(app: Flask, workshop: Workshop, job_id: UUID) -> Iterator[Held]:
    """The same, in the middle of a tool call."""
    held = Held()
    with written_aside(app, offering(workshop, held.tool()), job_id):
        assert held.began.wait(10)
        yield held
    held.let_go.set()
