"""The life of a reply, top to bottom: claim, gather, ask the model, stream, finish."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from tenacity import RetryCallState, Retrying, retry_if_exception, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential, wait_exponential_jitter

from app.chat import context, finishing, outcome
from app.chat.context import Work
from app.chat.outcome import Outcome
from app.clock import iso
from app.config import Settings
from app.database import reading, transaction
from app.jobs import lifecycle, queue
from app.jobs.claim import Claim
from app.jobs.presence import Presence
from app.jobs.run import Run, Stop, Stopped
from app.llm.call import Call, Watch
from app.llm.errors import CallCut, ModelUnavailable, ProviderError
from app.llm.types import Finished, ReasoningDelta, TextDelta
from app.models import Status
from app.stream import events
from app.stream.flusher import Flusher
from app.stream.writer import Writer
from app.text import printable

_SENTENCE_ENDS = (".", "!", "?", "\n", "。", "！", "？")
_LEAST_CHECKPOINT_SECONDS = 0.5
_INTERNAL = ("internal_error", "Holdfast failed to write this reply; the worker's log says why.")
_BACKOFF = wait_exponential_jitter(initial=0.5, max=8, jitter=0.5)

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the replies of one worker process share."""

    settings: Settings
    presence: Presence
    flusher: Flusher
    watch: Watch


def process_message(workshop: Workshop, job_id: UUID) -> None:
    """Write the reply of `job_id`, or do nothing: when it is not there to claim, somebody else has it or has ended it."""
    presence, settings = workshop.presence, workshop.settings
    if presence.draining or presence.lease_id is None:
        return
    with transaction() as session:
        claim = lifecycle.claim(session, job_id, presence.lease_id, settings.reply_seconds)
    if claim is None:
        return
    structlog.contextvars.bind_contextvars(
        request_id=claim.request_id, thread_id=str(claim.thread_id), attempt=claim.attempt
    )
    with presence.running(claim) as run:
        _Reply(workshop, run).write()


class _Reply:
    """One attempt at one reply."""

    def __init__(self, workshop: Workshop, run: Run) -> None:
        self._workshop = workshop
        self._settings = workshop.settings
        self._run = run
        self._claim: Claim = run.claim
        self._writer: Writer | None = None
        self._kept_at = time.monotonic()
        self._kept = ""

    def write(self) -> None:
        """Every way an attempt can end, in one place."""
        try:
            self._work = self._gather()
            self._writer = self._begin(self._work)
            end = self._ask_with_retries()
            self._finish(outcome.finished(self._work.request, self._writer.text, end))
        except ModelUnavailable as error:
            self._finish(outcome.unavailable(error))
        except Stopped as stopped:
            self._stopped(stopped.why)
        except ProviderError as error:
            self._refused(error)
        except SQLAlchemyError as error:
            logger.warning("database failed; handing the reply over", error=type(error).__name__)
            self._hand_over()
        except Exception:
            logger.exception("reply failed unexpectedly")
            self._finish(outcome.ended_early(Status.FAILED, None, self._text, *_INTERNAL))

    def _gather(self) -> Work:
        with reading() as session:
            return context.gather(session, self._settings, self._claim.job_id, self._claim.claimed_at)

    @property
    def _text(self) -> str:
        return self._writer.text if self._writer is not None else ""

    def _begin(self, work: Work) -> Writer:
        claim, workshop = self._claim, self._workshop
        writer = Writer(
            workshop.flusher, str(claim.thread_id), str(work.message_id), claim.attempt, workshop.presence.holds
        )
        if claim.attempt > 1:
            writer.reset("")
        writer.send(events.PROCESSING, {"model_id": work.model_id})
        return writer

    def _ask_with_retries(self) -> Finished:
        """Short retries happen here; whatever a failed try has written is taken back first."""
        retrying = Retrying(
            sleep=self._run.sleep,
            stop=stop_after_attempt(self._settings.provider_retries + 1),
            wait=self._pause,
            retry=retry_if_exception(self._worth_retrying),
            before_sleep=self._take_back,
            reraise=True,
        )
        return retrying(self._ask)

    def _ask(self) -> Finished:
        settings, run = self._settings, self._run
        call = Call(settings.first_token_seconds, settings.between_tokens_seconds)
        run.on_stop(call.cut)
        try:
            with self._workshop.watch.over(call):
                return self._relay(call)
        except CallCut:
            run.check()
            raise
        finally:
            run.on_stop(None)

    def _relay(self, call: Call) -> Finished:
        for chunk in self._work.provider.stream(self._work.request, call):
            if isinstance(chunk, Finished):
                return chunk
            self._run.check()
            if self._writer.refused:
                raise Stopped(Stop.LOST)
            if isinstance(chunk, TextDelta):
                self._writer.delta(printable(chunk.text))
                self._checkpoint(chunk.text)
            elif isinstance(chunk, ReasoningDelta):
                self._writer.reasoning(printable(chunk.text))
        raise AssertionError("a provider's stream ends with Finished or an exception")

    def _checkpoint(self, newest: str) -> None:
        """At finished sentences, at most twice a second; without them at least every few seconds."""
        since = time.monotonic() - self._kept_at
        ended = newest.rstrip(" ").endswith(_SENTENCE_ENDS) and since >= _LEAST_CHECKPOINT_SECONDS
        if ended or since >= self._settings.checkpoint_seconds:
            self._keep(self._writer.text)

    def _keep(self, text: str) -> None:
        """A checkpoint that fails is only late; one that finds the claim lost ends the attempt."""
        try:
            with transaction() as session:
                held = lifecycle.checkpoint(session, self._claim, text)
        except SQLAlchemyError as error:
            logger.warning("checkpoint failed", error=type(error).__name__)
            return
        if not held:
            raise Stopped(Stop.LOST)
        self._kept_at = time.monotonic()
        self._kept = text

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, ProviderError) else None
        return asked if asked is not None else _BACKOFF(state)

    def _worth_retrying(self, error: BaseException) -> bool:
        if not isinstance(error, ProviderError) or not error.retryable:
            return False
        return (error.retry_after or 0) <= self._settings.short_wait_seconds

    def _take_back(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.warning("model call failed; trying again", code=getattr(error, "code", None), try_=state.attempt_number)
        if self._writer.text:
            if self._kept:
                self._keep("")  # the row first: a checkpoint must never outlive a reset
            self._writer.reset("")

    def _refused(self, error: ProviderError) -> None:
        settings, seconds = self._settings, error.retry_after or 0
        may_wait = error.retryable and settings.short_wait_seconds < seconds <= settings.long_wait_seconds
        if may_wait and self._claim.waits < settings.max_waits:
            self._wait(seconds, str(error))
        else:
            logger.warning("reply refused by its provider", code=error.code)
            self._finish(outcome.refused(self._work.request, self._writer.text, error))

    def _wait(self, seconds: float, reason: str) -> None:
        with transaction() as session:
            wake_at = lifecycle.wait(session, self._claim, seconds, self._run.seconds_left())
        if wake_at is not None:
            logger.info("reply waits for its provider", seconds=seconds)
            self._writer.send(events.WAITING, {"wake_at": iso(wake_at), "reason": reason})

    def _stopped(self, why: Stop) -> None:
        request = self._work.request
        if why is Stop.CANCELLED:
            self._finish(outcome.ended_early(Status.CANCELLED, request, self._text, "", ""))
        elif why is Stop.DEADLINE:
            self._finish(finishing.deadline_outcome(request, self._text))
        elif why is Stop.HANDED_OVER:
            self._hand_over()
        else:
            logger.warning("attempt abandoned: the job belongs to somebody else now")

    def _hand_over(self) -> None:
        def release() -> None:
            with transaction() as session:
                lifecycle.hand_over(session, self._claim)

        self._insist(release)
        queue.publish_ready()

    def _finish(self, end: Outcome) -> None:
        if self._writer is not None:
            self._writer.settle(self._settings.redis_timeout_seconds)  # the last words before the last event
        self._insist(lambda: finishing.finish(self._claim, end))

    def _insist(self, action: Callable[[], object]) -> None:
        """Repeat a guarded transition until the database took it, or the lease is gone and it is another's to make."""
        Retrying(
            retry=retry_if_exception_type(SQLAlchemyError),
            wait=wait_exponential(multiplier=0.1, max=1),
            stop=lambda _: not self._workshop.presence.holds(),
            reraise=True,
        )(action)
