"""The life of a reply, top to bottom: claim, gather, ask the model, stream, finish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import select
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from app import failpoints
from app.chat import context, finishing, outcome
from app.chat.context import Work
from app.chat.insisting import hand_over, insist, passes
from app.chat.keeping import Draft, Keeper
from app.chat.outcome import Outcome
from app.clock import iso
from app.config import Settings
from app.database import reading, transaction
from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.jobs.presence import Presence
from app.jobs.run import Run, Stop, Stopped
from app.llm.call import Call, Watch
from app.llm.errors import CallCut, ModelUnavailable, ProviderError
from app.llm.types import Finished, ReasoningDelta, TextDelta
from app.models import Job, Status
from app.stream import events
from app.stream.flusher import Flusher
from app.stream.writer import Writer
from app.text import printable

_INTERNAL = ("internal_error", "Holdfast failed to write this reply; the worker's log says why.")
_BACKOFF = wait_exponential_jitter(multiplier=0.5, max=8, jitter=0.5)

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the replies of one worker process share.

    `apart` starts a reply in a process of its own, for one that has crashed its workers; None in such a process.
    """

    settings: Settings
    presence: Presence
    flusher: Flusher
    watch: Watch
    keeper: Keeper
    apart: Callable[[UUID], object] | None


def process_message(workshop: Workshop, job_id: UUID) -> None:
    """Write the reply of `job_id`; do nothing when it is not there to claim: somebody else has it or has ended it."""
    presence, settings = workshop.presence, workshop.settings
    if presence.draining or presence.lease_id is None:
        return
    with transaction() as session:
        claim = lifecycle.claim(session, job_id, presence.lease_id, settings.reply_seconds, _crashes_below(workshop))
    if claim is None:
        _leave_to_another(workshop, job_id)
        return
    failpoints.hit("claimed")
    structlog.contextvars.bind_contextvars(
        request_id=claim.request_id, thread_id=str(claim.thread_id), attempt=claim.attempt
    )
    with presence.running(claim) as run:
        work = _gather(workshop, claim)
        if work is not None:
            _Reply(workshop, run, work).write()


def _crashes_below(workshop: Workshop) -> int:
    """A reply's last try is made in a process of its own, so that one that kills its process takes no other along."""
    most = workshop.settings.max_crashes
    return most if workshop.apart is None else max(1, most - 1)


def _leave_to_another(workshop: Workshop, job_id: UUID) -> None:
    """Nothing to claim here: done with, unless it has crashed too often to be tried beside others."""
    if workshop.apart is None:
        return
    suspicious = select(Job.id).where(
        Job.id == job_id, Job.status == Status.PENDING, Job.crashes >= _crashes_below(workshop)
    )
    with reading() as session:
        if session.scalars(suspicious).first() is None:
            return
    workshop.apart(job_id)


def _gather(workshop: Workshop, claim: Claim) -> Work | None:
    """What to write; None when that could not be found out, and the reply was dealt with instead."""
    presence = workshop.presence
    try:
        with reading() as session:
            return context.gather(session, workshop.settings, claim.job_id, claim.claimed_at)
    except Exception as error:
        if passes(error):
            logger.warning("database failed; handing the reply over", error=type(error).__name__)
            hand_over(presence, claim)
            return None
        end = _unwritten(error)
    insist(presence, claim, lambda: finishing.finish(claim, end))
    return None


def _unwritten(error: Exception) -> Outcome:
    if isinstance(error, ModelUnavailable):
        return outcome.unavailable(error)
    logger.error("reply failed before it began", exc_info=error)
    return outcome.ended_early(Status.FAILED, None, "", *_INTERNAL)


class _Reply:
    """One attempt at one reply."""

    def __init__(self, workshop: Workshop, run: Run, work: Work) -> None:
        self._workshop = workshop
        self._settings = workshop.settings
        self._run = run
        self._claim: Claim = run.claim
        self._work = work
        self._writer = self._begin()

    def write(self) -> None:
        """Every way an attempt can end, in one place."""
        try:
            self._ask_and_end()
        except Exception as error:
            if passes(error):
                logger.warning("database failed; handing the reply over", error=type(error).__name__)
                hand_over(self._workshop.presence, self._claim)
            else:
                logger.exception("reply failed unexpectedly")
                self._end_early(Status.FAILED, *_INTERNAL)

    def _ask_and_end(self) -> None:
        failpoints.hit("gathered")
        try:
            with self._workshop.keeper.keeping(self._run, lambda: self._writer.text) as draft:
                end = self._ask_with_retries(draft)
            failpoints.hit("called")
        except Stopped as stopped:
            self._stopped(stopped.why)
        except ProviderError as error:
            self._refused(error)
        else:
            self._finish(outcome.finished(self._work.request, self._writer.text, end))

    def _begin(self) -> Writer:
        claim, workshop, message_id = self._claim, self._workshop, str(self._work.message_id)
        may_write = partial(workshop.presence.holds, claim.lease_id)
        writer = Writer(workshop.flusher, str(claim.thread_id), message_id, claim.attempt, may_write)
        if claim.attempt > 1:
            writer.reset("")
        writer.send(events.PROCESSING, {"model_id": self._work.model_id})
        return writer

    def _ask_with_retries(self, draft: Draft) -> Finished:
        """Short retries happen here; whatever a failed try has written is taken back first."""
        retrying = Retrying(
            sleep=self._run.sleep,
            stop=stop_after_attempt(self._settings.provider_retries + 1),
            wait=self._pause,
            retry=retry_if_exception(self._worth_retrying),
            before_sleep=partial(self._take_back, draft),
            reraise=True,
        )
        return retrying(self._ask, draft)

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
        for chunk in self._work.provider.stream(self._work.request, call):
            if isinstance(chunk, Finished):
                return chunk
            self._run.check()
            if self._writer.refused:
                raise Stopped(Stop.LOST)
            if isinstance(chunk, TextDelta):
                failpoints.hit("chunk", chunk.text)
                self._writer.delta(printable(chunk.text))
                draft.grow(chunk.text)
            elif isinstance(chunk, ReasoningDelta):
                self._writer.reasoning(printable(chunk.text))
        raise AssertionError("a provider's stream ends with Finished or an exception")

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, ProviderError) else None
        return asked if asked is not None else _BACKOFF(state)

    def _worth_retrying(self, error: BaseException) -> bool:
        if not isinstance(error, ProviderError) or not error.retryable:
            return False
        return (error.retry_after or 0) <= self._settings.short_wait_seconds

    def _take_back(self, draft: Draft, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.warning("model call failed; trying again", code=getattr(error, "code", None), try_=state.attempt_number)
        if self._writer.text:
            draft.take_back(lambda: self._writer.reset(""))

    def _refused(self, error: ProviderError) -> None:
        settings, seconds = self._settings, error.retry_after or 0
        may_wait = error.retryable and settings.short_wait_seconds < seconds <= settings.long_wait_seconds
        if may_wait and self._claim.waits < settings.max_waits:
            self._wait(seconds, str(error))
        else:
            logger.warning("reply refused by its provider", code=error.code)
            self._finish(outcome.refused(self._work.request, self._writer.text, error))

    def _wait(self, seconds: float, reason: str) -> None:
        def wait() -> None:
            with transaction() as session:
                wake_at = lifecycle.wait(session, self._claim, seconds, self._run.seconds_left())
            if wake_at is not None:
                failpoints.hit("waiting")
                logger.info("reply waits for its provider", seconds=seconds)
                self._writer.send(events.WAITING, {"wake_at": iso(wake_at), "reason": reason})

        insist(self._workshop.presence, self._claim, wait)

    def _stopped(self, why: Stop) -> None:
        if why is Stop.CANCELLED:
            self._end_early(Status.CANCELLED, "", "")
        elif why is Stop.DEADLINE:
            self._end_early(Status.FAILED, *finishing.DEADLINE)
        elif why is Stop.HANDED_OVER:
            logger.info("handing the reply over")
            hand_over(self._workshop.presence, self._claim)
        else:
            logger.warning("attempt abandoned: the job belongs to somebody else now")

    def _end_early(self, status: Status, code: str, message: str) -> None:
        self._finish(outcome.ended_early(status, self._work.request, self._writer.text, code, message))

    def _finish(self, end: Outcome) -> None:
        self._writer.settle(self._settings.redis_timeout_seconds)  # the last words before the last event
        insist(self._workshop.presence, self._claim, lambda: finishing.finish(self._claim, end))
