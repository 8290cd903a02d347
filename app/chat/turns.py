"""The turns that each model call of a reply is shown, and whether one more must follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.chat import goals, steps
from app.chat.context import Work
from app.chat.progress import Progress
from app.chat.steps import ModelCall, Taken
from app.chat.toolbox import Toolbox
from app.llm.types import Turn


class Turns:
    """The history, then the reply's own steps.

    `may_be_steered` is whether anybody may have said something before the first call.
    """

    def __init__(self, work: Work, progress: Progress, may_be_steered: bool) -> None:
        self._work = work
        self._progress = progress
        self._may_be_steered = may_be_steered

    def next(self) -> Sequence[Turn]:
        """What the next call is shown, with the messages that steer it from here on."""
        if self._may_be_steered:
            self._progress.take_steers()
        self._may_be_steered = True
        return [*self._work.request.turns, *(turn for step in self._progress.steps for turn in self._of_step(step))]

    def are_over(self, call: ModelCall, box: Toolbox) -> bool:
        """Whether `call` was the last: it asked for no tool, or for one although it was offered none.

        Work toward a goal ends by a tool. A model that only talks is reminded of that once.
        """
        if call.tool_calls:
            return not box.specs
        before = self._progress.model_calls
        reminded = bool(before) and not before[-1].calls
        return self._work.goal is None or call.finish_reason != "stop" or reminded

    def _of_step(self, step: Taken) -> Iterator[Turn]:
        yield from steps.turns([step])
        if not step.said and not step.calls:  # only on the way to a goal does such a step not end the reply
            yield Turn("user", goals.GO_ON)
