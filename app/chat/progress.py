"""The durable progress of one attempt: each step, and each tool call, is committed before anything follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import failpoints
from app.chat import assembling, steering, steps
from app.chat.context import Work
from app.chat.insisting import insist
from app.chat.objects import ToolInvocation
from app.chat.steps import Called, ModelCall, Taken
from app.clock import iso, now
from app.database import transaction
from app.ids import new_id
from app.jobs import lifecycle
from app.jobs.presence import Presence
from app.jobs.run import Run, Stop, Stopped
from app.models import Message, Step, ToolCall
from app.stream.output import Of
from app.stream.score import REST, Mark, call_ended, calls_made
from app.stream.writer import Writer
from app.text import printable

T = TypeVar("T")


class Progress:
    """What an attempt found committed and commits itself. Every write names the claim; raises Stopped once it is lost.

    `settled` is the text of all committed steps.
    """

    def __init__(self, presence: Presence, run: Run, work: Work, writer: Writer) -> None:
        self._presence = presence
        self._run = run
        self._message_id = work.message_id
        self._functions = frozenset(each.name for each in work.functions)
        self._writer = writer
        self.settled = work.settled
        self.steps = list(work.steps)

    @property
    def open_calls(self) -> list[Called]:
        """The tool calls that have no outcome yet; only those of the newest step can have none."""
        return [call for call in self.steps[-1].calls if call.is_open] if self.steps else []

    @property
    def ended_calls(self) -> list[str]:
        """The tool calls that have one, or that we do not make: some end while nobody works on the reply."""
        return [str(call.id) for step in self.steps for call in step.calls if not call.is_open]

    @property
    def refusals(self) -> int:
        """In how many steps the model asked for something that cannot be done."""
        return sum(any(call.was_refused for call in step.calls) for step in self.steps)

    def step(self, call: ModelCall, text: str) -> None:
        """Commit a model call with the tools it asked for; `text` is the whole text, which it settles."""
        step_id, ids = new_id(), [new_id() for _ in call.tool_calls]
        calls: list[Called] = []

        def write(session: Session) -> None:
            if session.scalars(select(Step.id).where(Step.id == step_id)).first() is None:
                calls[:] = steps.store(session, self._run.claim.job_id, self._message_id, step_id, call, ids=ids)

        made = [(str(id_), self._whose(one.name)) for id_, one in zip(ids, call.tool_calls, strict=True)]
        self._commit(write, text, calls_made(made))
        self.steps.append(Taken(call.number, call.text, call.usage, tuple(calls)))
        failpoints.hit("stepped")

    @property
    def model_calls(self) -> list[Taken]:
        """The steps that a model has made."""
        return [step for step in self.steps if not step.said]

    def take_steers(self) -> None:
        """Commit the messages that steer this reply and were not read yet as steps: here they enter."""
        claim, taken = self._run.claim, list[Taken]()

        def write(session: Session) -> None:
            # Nothing is left to take where this is done again because nobody knew whether it was committed.
            if texts := steering.take_steers(session, claim.job_id, self._message_id):
                taken[:] = steps.say(session, claim.job_id, claim.attempt, len(self.steps) + 1, texts)

        self._commit(write, self.settled)
        self.steps += taken

    def refuse(self, call: Called, why: str) -> ToolInvocation:
        """The model asked for what cannot be done: it is told so, and nothing was run."""
        return self._end(call, status=steps.FAILED, error=why)

    def begin(self, calls: Mapping[UUID, bool]) -> list[ToolInvocation]:
        """Commit that these calls begin now; the values say which of them may be repeated after a crash."""
        begun = [
            changed
            for idempotent in (True, False)
            for changed in self._change(
                [call_id for call_id, value in calls.items() if value is idempotent],
                status=steps.PROCESSING,
                attempt=self._run.claim.attempt,
                idempotent=idempotent,
                started_at=now(),
            )
        ]
        failpoints.hit("tool_begun")
        return begun

    def complete(self, call: Called, result: str) -> ToolInvocation:
        """Commit the result of a call."""
        return self._end(call, status=steps.COMPLETED, result=printable(result), error=None)

    def fail(self, call: Called, error: str) -> ToolInvocation:
        """Commit that a call failed."""
        return self._end(call, status=steps.FAILED, error=printable(error))

    def reopen(self, calls: Iterable[Called]) -> None:
        """Let calls begin again later: what they ask for must wait its turn."""
        self._change([call.id for call in calls], status=steps.PENDING, attempt=0, started_at=None)

    def hand_out(self, calls: Iterable[Called]) -> None:
        """Commit that these are for whoever asked for the reply to make."""
        self._change([call.id for call in calls], status=steps.REQUIRES_ACTION)

    def wait(self, call: Called, seconds: float) -> datetime:
        """Free the worker until the wait is over; returns that moment. The claim is given up."""

        def write(session: Session) -> datetime | None:
            claim = self._run.claim
            wake_at = lifecycle.wait(session, claim, seconds, self._run.seconds_left(), counts=False)
            if wake_at is not None:
                session.execute(update(ToolCall).where(ToolCall.id == call.id).values(status=steps.WAITING))
            return wake_at

        wakes_at = self._give_up(write)
        failpoints.hit("waiting")
        return wakes_at

    def ask(self, calls: Sequence[Called], action: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Free the worker until a person answers; returns the whole required_action. The claim is given up."""
        action_id = new_id()

        def write(session: Session) -> dict[str, Any] | None:
            expires_at = lifecycle.ask(session, self._run.claim, action_id, seconds, self._run.seconds_left())
            if expires_at is None:
                return None
            rows = _update(session, [call.id for call in calls], status=steps.REQUIRES_ACTION)
            shown = {"id": str(action_id), **action, "expires_at": iso(expires_at)}
            if action["type"] == "approval":
                shown["tool_invocations"] = [assembling.invocation(row).public() for row in rows]
            session.execute(update(Message).where(Message.id == self._message_id).values(required_action=shown))
            return shown

        asked = self._give_up(write)
        failpoints.hit("asked")
        return asked

    def rest(self, session: Session) -> bool:
        """Keep all that was told, before the claim is given up in the same transaction; False when it is lost."""
        if not self._writer.begun:
            return True
        noted = self._writer.noted([REST])
        return lifecycle.checkpoint(session, self._run.claim, noted.text, noted.score)

    def _end(self, call: Called, **values: Any) -> ToolInvocation:
        failpoints.hit("tool_ended")
        [ended] = self._change([call.id], call_ended(str(call.id)), completed_at=now(), **values)
        failpoints.hit("tool_recorded")
        return ended

    def _change(self, ids: list[UUID], marks: Sequence[Mark] = (), **values: Any) -> list[ToolInvocation]:
        if not ids:
            return []
        rows: list[ToolCall] = []

        def write(session: Session) -> None:
            rows[:] = _update(session, ids, **values)

        self._commit(write, self.settled, marks)
        newest = self.steps[-1]
        changed = {row.id: steps.called(row) for row in rows}
        calls = tuple(changed.get(call.id, call) for call in newest.calls)
        self.steps[-1] = Taken(newest.number, newest.text, newest.usage, calls)
        return [assembling.invocation(row) for row in rows]

    def _whose(self, name: str) -> Of:
        return Of.FUNCTION if name in self._functions else Of.TOOL

    def _commit(self, write: Callable[[Session], None], settled: str, marks: Sequence[Mark] = ()) -> None:
        """One transaction that only the holder of the claim can make; `marks` are what it tells numbered readers."""
        score = self._writer.noted(marks).score

        def once() -> bool:
            with transaction() as session:
                held = lifecycle.settle(session, self._run.claim, settled, score)
                if held:
                    write(session)
            return held

        if not insist(self._presence, self._run.claim, once):
            raise Stopped(Stop.LOST)
        self._writer.mark(marks)
        self.settled = settled

    def _give_up(self, write: Callable[[Session], T | None]) -> T:
        def once() -> T | None:
            with transaction() as session:
                return write(session) if self.rest(session) else None

        written = insist(self._presence, self._run.claim, once)
        if written is None:
            raise Stopped(Stop.LOST)
        return written


def _update(session: Session, ids: Sequence[UUID], **values: Any) -> list[ToolCall]:
    """Change the calls and return them as they now are, in their order."""
    changing = update(ToolCall).where(ToolCall.id.in_(ids)).values(**values).returning(ToolCall)
    return sorted(session.scalars(changing, execution_options={"synchronize_session": False}), key=lambda row: row.id)
