"""Replies that call tools, wait and ask, written by the real worker's code with tools of the tests' own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.chat import replying, sending
from app.chat.objects import Sent
from app.chat.sending import Draft
from app.chat.workshop import Workshop
from app.clock import now
from app.database import reading, transaction
from app.extensions import redis
from app.jobs.reaper import Reaper
from app.models import Message, ToolCall
from app.stream import log
from app.stream.events import Event
from app.tools.tool import Tool, tool
from tests.chat.tooling import Dying
from tests.support import rows


def script(*parts: str) -> str:
    """One part for each model call."""
    return "\n!step\n".join(parts)


def call(name: str, /, **arguments: Any) -> str:
    """The directive that calls a tool."""
    return f"!tool {name} {json.dumps(arguments)}"


@dataclass
class Agent:
    """A worker that has the tools `pay`, which may not be repeated, `look`, which may, and `erase`, which asks first.

    `ran` has their names, in order.
    """

    workshop: Workshop
    reaper: Reaper
    user_id: UUID
    ran: list[str] = field(default_factory=list)

    @property
    def tools(self) -> dict[str, Tool]:
        @tool()
        def pay(token: str) -> str:
            """Pay."""
            self.ran.append("pay")
            return "paid"

        @tool(idempotent=True)
        def look(token: str) -> str:
            """Look."""
            self.ran.append("look")
            return "seen"

        @tool(approval=True)
        def erase(token: str) -> str:
            """Erase."""
            self.ran.append("erase")
            return "erased"

        return {one.name: one for one in (pay, look, erase)}

    def post(self, *parts: str, thread_id: UUID | None = None, **more: Any) -> Sent:
        """A message whose reply is written by a script, and may use all tools."""
        names = [*self.tools, "wait", "ask_user", "calculator"]
        return sending.send_message(self.user_id, Draft(script(*parts), thread_id, parameters={"tools": names}, **more))

    def work(self, sent: Sent) -> None:
        """One wake-up."""
        replying.process_message(self._equipped(), job_of(sent))

    def crash_while_calling(self, sent: Sent) -> None:
        """Come to where the calls are begun and none has ended, and lose the worker there; the reaper notices."""
        doomed = replace(self._equipped(), runner=Dying())
        with pytest.raises(SystemExit):
            replying.process_message(doomed, job_of(sent))
        rows.set_job(job_of(sent), lease_id=None)
        self.reaper.pass_once()

    def let_wait_end(self, sent: Sent) -> None:
        """Time passes."""
        rows.set_job(job_of(sent), wake_at=now(-1))
        self.reaper.pass_once()

    def _equipped(self) -> Workshop:
        found = self.tools
        return replace(self.workshop, listing=lambda _: (found, {}))


def job_of(sent: Sent) -> UUID:
    """The job of the reply."""
    assert sent.reply.job_id is not None
    return sent.reply.job_id


def calls_of(sent: Sent) -> dict[str, ToolCall]:
    """The reply's tool calls by name."""
    with reading() as session:
        found = session.scalars(select(ToolCall).where(ToolCall.message_id == sent.reply.id).order_by(ToolCall.id))
        return {row.name: row for row in found}


def set_call(sent: Sent, name: str, **values: Any) -> None:
    """Change the row of one of them."""
    with transaction() as session:
        which = update(ToolCall).where(ToolCall.message_id == sent.reply.id, ToolCall.name == name)
        assert len(session.scalars(which.values(**values).returning(ToolCall.id)).all()) == 1


def set_reply(sent: Sent, **values: Any) -> None:
    """Change the reply's row."""
    with transaction() as session:
        session.execute(update(Message).where(Message.id == sent.reply.id).values(**values))


Harm = Callable[[Sent], None]


def with_call(name: str, **values: Any) -> Harm:
    """What changes one call of a reply."""
    return lambda sent: set_call(sent, name, **values)


def with_job(**values: Any) -> Harm:
    """What changes a reply's job."""
    return lambda sent: rows.set_job(job_of(sent), **values)


def with_reply(**values: Any) -> Harm:
    """What changes a reply's message."""
    return lambda sent: set_reply(sent, **values)


def events_of(sent: Sent) -> list[Event]:
    return log.read_tail(redis(), str(sent.thread.id))
