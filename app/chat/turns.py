"""The turns that each model call of a reply is shown, and whether one more must follow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from app.chat import goals, steps
from app.chat.context import Work
from app.chat.progress import Progress
from app.chat.steps import ModelCall, Taken
from app.chat.toolbox import Toolbox
from app.llm.types import Turn


class Turns:
    """The history, then the reply's own steps with what people said in between.

    `may_be_steered` is whether anything was said before the first call that is not in the history.
    """

    def __init__(self, work: Work, progress: Progress, may_be_steered: bool) -> None:
        self._work = work
        self._progress = progress
        self._said: dict[int, list[Turn]] = defaultdict(list)
        self._may_be_steered = may_be_steered

    def next(self) -> Sequence[Turn]:
        """What the next call is shown, with the messages that steer it from here on."""
        done = self._progress.steps
        if self._may_be_steered:
            self._said[len(done)] += [Turn("user", text) for text in self._progress.take_steers()]
        self._may_be_steered = True
        shown = [*self._work.request.turns, *self._said[0]]
        for number, step in enumerate(done, 1):
            shown += [*self._of_step(step), *self._said[number]]
        return shown

    def are_over(self, call: ModelCall, box: Toolbox) -> bool:
        """Whether `call` was the last: it asked for no tool, or for one although it was offered none.

        Work toward a goal ends by a tool. A model that only talks is reminded of that once.
        """
        if call.tool_calls:
            return not box.offered
        reminded = bool(self._progress.steps) and not self._progress.steps[-1].calls
        return self._work.goal is None or call.finish_reason != "stop" or reminded

    def _of_step(self, step: Taken) -> Sequence[Turn]:
        """A step without tool calls is followed by another only on the way to a goal."""
        reminder = [] if step.calls else [Turn("user", goals.GO_ON)]
        return [*steps.turns([step]), *reminder]
