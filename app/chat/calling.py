"""The tool calls of a step: checked, run side by side, recorded one by one, and what they ask of the reply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.chat import steps, toolbox
from app.chat.context import Work
from app.chat.objects import ToolInvocation
from app.chat.policies import POLICIES, Kind
from app.chat.progress import Progress
from app.chat.steps import PENDING, PROCESSING, WAITING, Called
from app.chat.toolbox import Toolbox
from app.chat.workshop import Workshop
from app.clock import iso
from app.jobs.run import Run
from app.stream import events
from app.stream.writer import Writer
from app.tools.errors import BadArguments, ToolError
from app.tools.outcome import Done, Finish, Outcome, Pause, Plan, Question
from app.tools.running import Call

_UNKNOWN_OUTCOME = "The worker ended while this call ran. Its outcome is unknown, and it was not repeated."
_APPROVE = "May these tools be run?"


@dataclass(frozen=True, slots=True)
class Freed:
    """The reply waits for time or for a person; the worker has nothing more to do with it."""


@dataclass(frozen=True, slots=True)
class Handed:
    """The reply ends here: what is still open is for whoever asked for it to call."""


@dataclass(slots=True)
class _Asked:
    """What the calls of one step ask of the reply, besides their results."""

    finish: Finish | None = None
    questions: list[tuple[Called, Question]] = field(default_factory=list)
    pauses: list[tuple[Called, Pause]] = field(default_factory=list)


class Calling:
    """Brings every open call of the newest step to an outcome, or frees the worker until that is possible."""

    def __init__(
        self, workshop: Workshop, run: Run, work: Work, *, box: Toolbox, progress: Progress, writer: Writer
    ) -> None:
        self._settings = workshop.settings
        self._runner = workshop.runner
        self._run = run
        self._work = work
        self._box = box
        self._progress = progress
        self._writer = writer

    def through(self) -> Finish | Freed | Handed | None:
        """None when the model is to be asked again. Raises Stopped."""
        self._take_up()
        ready = list(self._checked())
        waiting_for_yes = [call for call, one in ready if one.tool.approval and call.approved is None]
        asked = self._run_all([(call, one) for call, one in ready if call not in waiting_for_yes])
        if asked.finish is not None:
            return asked.finish
        if waiting_for_yes or asked.questions:
            return self._ask(waiting_for_yes, asked)
        if asked.pauses:
            return self._pause(asked.pauses)
        return self._hand_out()

    @property
    def _ours(self) -> list[Called]:
        """The open calls that we make."""
        return [call for call in self._progress.open_calls if not self._box.is_foreign(call.name)]

    def _hand_out(self) -> Handed | None:
        """Once we have made our calls, the others are left to whoever offered those functions."""
        foreign = self._progress.open_calls
        self._progress.hand_out(call for call in foreign if call.status == PENDING)
        return Handed() if foreign else None

    def _take_up(self) -> None:
        """What an earlier attempt has begun: waits are over, and only what may be repeated is."""
        for call in self._ours:
            if call.status == WAITING:
                self._tell(self._progress.complete(call, "The wait is over."))
            elif call.status == PROCESSING and not call.idempotent:
                self._tell(self._progress.fail(call, _UNKNOWN_OUTCOME))
            elif call.status != PENDING:
                self._progress.reopen([call])

    def _checked(self) -> Iterator[tuple[Called, Call]]:
        """The calls that can be run; the model is told what is wrong with the others."""
        for call in self._ours:
            tool = self._box.offered.get(call.name)
            if tool is None:
                self._tell(self._progress.refuse(call, self._box.without(call.name)))
                continue
            try:
                arguments = tool.validated(call.arguments)
            except BadArguments as error:
                self._tell(self._progress.refuse(call, str(error)))
            else:
                yield call, Call(str(call.id), tool, arguments)

    def _run_all(self, ready: Sequence[tuple[Called, Call]]) -> _Asked:
        """Run what is ready side by side; a failure that may pass is tried again where that does no harm."""
        asked = _Asked()
        called = {one.id: call for call, one in ready}
        left: Sequence[Call] = [one for _, one in ready]
        policy = POLICIES[Kind.TOOL_CALL]
        self._tell(*self._progress.begin({UUID(one.id): one.tool.idempotent for one in left}))
        for tries_left in range(policy.retries or 0, -1, -1):
            left = self._run_once(left, called, asked, again=tries_left > 0)
            self._run.check()
            if left:
                self._run.sleep(policy.first_seconds)
        return asked

    def _run_once(
        self, calls: Sequence[Call], called: Mapping[str, Called], asked: _Asked, *, again: bool
    ) -> Sequence[Call]:
        """Run these and record how they end; with `again`, those are returned that another try may cure."""
        by_id, left = {call.id: call for call in calls}, list[Call]()
        for ended in self._runner.run(calls, toolbox.context_of(self._settings, self._work, self._run)):
            call, outcome = by_id[ended.call_id], ended.outcome
            if again and call.tool.idempotent and POLICIES[Kind.TOOL_CALL].worth(outcome):
                left.append(call)
            else:
                self._record(called[call.id], outcome, asked)
        return left

    def _record(self, call: Called, outcome: Outcome | ToolError, asked: _Asked) -> None:
        match outcome:
            case ToolError():
                self._tell(self._progress.fail(call, str(outcome)))
            case Done() | Plan():
                self._tell(self._progress.complete(call, outcome.result))
            case Finish():
                self._tell(self._progress.complete(call, "Finished."))
                asked.finish = outcome
            case Question():
                asked.questions.append((call, outcome))
            case Pause():
                asked.pauses.append((call, outcome))

    def _ask(self, waiting_for_yes: Sequence[Called], asked: _Asked) -> Freed:
        """One action at a time: approvals first, then one question; what else was asked for begins again later."""
        later = [call for call, _ in (*asked.questions, *asked.pauses)]
        if waiting_for_yes:
            calls: Sequence[Called] = waiting_for_yes
            action: dict[str, Any] = {"type": "approval", "prompt": _APPROVE}
        else:
            call, question = asked.questions[0]
            calls, action = [call], {"type": "input", "prompt": question.prompt, "options": list(question.options)}
        self._progress.reopen(each for each in later if each not in calls)
        shown = self._progress.ask(calls, action, self._settings.action_seconds)
        self._writer.send(events.REQUIRES_ACTION, {"required_action": shown})
        return Freed()

    def _pause(self, pauses: Sequence[tuple[Called, Pause]]) -> Freed:
        call, pause = pauses[0]
        self._progress.reopen(later for later, _ in pauses[1:])
        wake_at = self._progress.wait(call, pause.seconds)
        self._writer.send(events.WAITING, {"wake_at": iso(wake_at), "reason": pause.note})
        return Freed()

    def _tell(self, *changed: ToolInvocation) -> None:
        for invocation in changed:
            self._writer.send(steps.EVENTS[invocation.status], {"invocation": invocation.public()})
