"""One model call of a reply: asked with short retries, relayed as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog
from tenacity import RetryCallState, retry_if_exception, stop_after_attempt

from app import failpoints
from app.chat import steps
from app.chat.context import Work
from app.chat.keeping import Draft
from app.chat.policies import POLICIES, Kind
from app.chat.progress import Progress
from app.chat.steps import ModelCall
from app.chat.toolbox import Toolbox
from app.chat.workshop import Workshop
from app.jobs.run import Run, Stop, Stopped
from app.llm.call import Call
from app.llm.errors import CallCut, ProviderError
from app.llm.tokens import estimate
from app.llm.types import Delta, Finished, ModelRequest, TextDelta, ToolChoice, Turn, Usage
from app.stream.writer import Noted, Writer
from app.text import printable

# Between what two steps of one reply have written.
_APART = "\n\n"

logger = structlog.get_logger(__name__)


class Asking:
    """Asks the model of one reply, call after call; what each writes is appended to the reply's text."""

    def __init__(self, workshop: Workshop, run: Run, work: Work, progress: Progress, writer: Writer) -> None:
        self._workshop = workshop
        self._settings = workshop.settings
        self._run = run
        self._work = work
        self._progress = progress
        self._writer = writer
        self._request = work.request
        self._offered: Sequence[dict[str, Any]] = ()
        self._started_at = run.moment()

    def ask(self, draft: Draft, turns: Sequence[Turn], box: Toolbox) -> ModelCall:
        """The next call, which is shown `turns`. Raises ProviderError once its retries are spent, and Stopped."""
        shown = turns if box.specs or self._work.keeps_calls else steps.plain(turns)
        self._request = replace(
            self._work.request, turns=tuple(shown), tools=box.specs, tool_choice=self._tool_choice()
        )
        self._offered = box.considered
        self._started_at = self._run.moment()
        retrying = POLICIES[Kind.MODEL].retrying(
            sleep=self._run.sleep,
            stop=stop_after_attempt(self._settings.provider_retries + 1),
            wait=self._pause,
            retry=retry_if_exception(self._worth_retrying),
            before_sleep=lambda state: self._take_back(draft, state),
        )
        end: Finished = retrying(self._ask, draft)
        failpoints.hit("called")
        usage, estimated = self._usage(end.usage)
        return self._call(end.reason, usage, estimated=estimated, request_id=end.request_id, tool_calls=end.tool_calls)

    def _tool_choice(self) -> ToolChoice | None:
        """As it was asked for; who had to call a tool and has done so may now speak."""
        wanted = self._work.request.tool_choice
        return wanted if wanted == "none" or not self._progress.model_calls else None

    def broken_off(self, finish_reason: str, request_id: str | None = None) -> ModelCall | None:
        """The call that was ended before its end, if it had written anything."""
        if not self._own_text():
            return None
        usage, _ = self._usage(None)
        return self._call(finish_reason, usage, estimated=True, request_id=request_id)

    def _call(self, finish_reason: str, usage: Usage, **also: Any) -> ModelCall:
        return ModelCall(
            number=len(self._progress.steps) + 1,
            attempt=self._run.claim.attempt,
            model_id=self._work.model_id,
            started_at=self._started_at,
            text=self._own_text(),
            finish_reason=finish_reason,
            usage=usage,
            offered=self._offered,
            **also,
        )

    def _own_text(self) -> str:
        """What this call has written."""
        own = self._writer.text[len(self._progress.settled) :]
        return own.removeprefix(_APART) if self._progress.steps else own

    def _usage(self, counted: Usage | None) -> tuple[Usage, bool]:
        if counted is not None:
            return counted, False
        return Usage(prompt_tokens(self._request), estimate(self._own_text())), True

    def _ask(self, draft: Draft) -> Finished:
        settings, run = self._settings, self._run
        call = Call(settings.first_token_seconds, settings.between_tokens_seconds)
        run.on_stop(call.cut)
        try:
            with self._workshop.watch.over(call):
                return self._relay(call, draft)
        except CallCut:
            run.check()
            raise
        finally:
            run.on_stop(None)

    def _relay(self, call: Call, draft: Draft) -> Finished:
        apart = _APART if self._progress.steps and self._progress.settled.strip() else ""

        def take(delta: Delta) -> None:
            nonlocal apart
            self._run.check()
            if self._writer.refused:
                raise Stopped(Stop.LOST)
            if isinstance(delta, TextDelta):
                failpoints.hit("chunk", delta.text)
                self._writer.delta(apart + printable(delta.text))
                draft.grow(delta.text)
                apart = ""
            else:
                self._writer.reasoning(printable(delta.text))
                draft.stir()

        return self._work.provider.stream(self._request, call, take)

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, ProviderError) else None
        return asked if asked is not None else POLICIES[Kind.MODEL].pause(state)

    def _worth_retrying(self, error: BaseException) -> bool:
        if not isinstance(error, ProviderError) or not POLICIES[Kind.MODEL].worth(error):
            return False
        return (error.retry_after or 0) <= self._settings.short_wait_seconds

    def _take_back(self, draft: Draft, state: RetryCallState) -> None:
        """Whatever a failed try has written is taken back before the next."""
        error = state.outcome.exception() if state.outcome else None
        logger.warning("model call failed; trying again", code=getattr(error, "code", None), try_=state.attempt_number)
        settled = self._progress.settled
        if dropping := self._writer.dropping:
            kept = Noted(settled, self._writer.noted(dropping).score)
            draft.take_back(kept, lambda: self._writer.reset(settled))


def prompt_tokens(request: ModelRequest) -> int:
    """An estimate of what the provider reads."""
    return estimate(request.system) + sum(estimate(turn.content) for turn in request.turns)
