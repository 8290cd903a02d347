"""The life of a reply, top to bottom: claim, gather, ask the model, stream, finish."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import select

from app import failpoints
from app.chat import context, finishing, limits, outcome, scores, toolbox
from app.chat.asking import Asking
from app.chat.calling import Calling, Freed, Handed
from app.chat.context import Work
from app.chat.insisting import hand_over, insist
from app.chat.keeping import Draft
from app.chat.outcome import Outcome
from app.chat.policies import POLICIES, Kind, database_passes
from app.chat.progress import Progress
from app.chat.turns import Turns
from app.chat.workshop import Workshop
from app.clock import iso
from app.database import reading, single, transaction
from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.jobs.run import Run, Stop, Stopped
from app.llm.errors import ContentFiltered, ModelUnavailable, ProviderError
from app.models import Job, Status
from app.stream import events
from app.stream.score import Score
from app.stream.writer import Writer
from app.tools.outcome import Finish

_INTERNAL = ("internal_error", "Holdfast failed to write this reply; the worker's log says why.")

logger = structlog.get_logger(__name__)


def process_message(workshop: Workshop, job_id: UUID) -> None:
    """Write the reply of `job_id`; do nothing when it is not there to claim: somebody else has it or has ended it."""
    presence, settings = workshop.presence, workshop.settings
    if presence.draining or presence.lease_id is None:
        return
    with single() as session:
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
        return POLICIES[Kind.CONTEXT].retrying()(_read, workshop, claim)
    except Exception as error:
        if database_passes(error):
            logger.warning("database failed; handing the reply over", error=type(error).__name__)
            hand_over(presence, claim)
            return None
        end = _unwritten(error, claim.job_id)
    insist(presence, claim, lambda: finishing.finish(claim, end))
    return None


def _read(workshop: Workshop, claim: Claim) -> Work:
    with reading(one_state=claim.attempt > 1) as session:  # else there are no steps that must fit the rest
        return context.gather(session, workshop.settings, claim.job_id, claim.claimed_at)


def _unwritten(error: Exception, job_id: UUID) -> Outcome:
    text = scores.left(job_id).text
    if isinstance(error, ModelUnavailable):
        return outcome.unavailable(text, error)
    logger.error("reply failed before it began", exc_info=error)
    return outcome.ended_early(Status.FAILED, text, None, *_INTERNAL)


class _Reply:
    """One attempt at one reply."""

    def __init__(self, workshop: Workshop, run: Run, work: Work) -> None:
        self._workshop = workshop
        self._settings = workshop.settings
        self._run = run
        self._claim: Claim = run.claim
        self._work = work
        self._writer = self._new_writer()
        self._progress = Progress(workshop.presence, run, work, self._writer)
        self._asking = Asking(workshop, run, work, self._progress, self._writer)

    def write(self) -> None:
        """Every way an attempt can end, in one place."""
        try:
            self._work_and_end()
        except Exception as error:
            if database_passes(error):
                logger.warning("database failed; handing the reply over", error=type(error).__name__)
                self._hand_over()
            else:
                logger.exception("reply failed unexpectedly")
                self._end_early(Status.FAILED, *_INTERNAL)

    def _work_and_end(self) -> None:
        failpoints.hit("gathered")
        try:
            self._begin()
            with self._workshop.keeper.keeping(self._run, self._writer.noted) as draft:
                end = self._step_by_step(draft)
        except Stopped as stopped:
            self._stopped(stopped.why)
        except ProviderError as error:
            self._refused(error)
        else:
            if end is not None:
                self._finish(end)
            else:
                self._settle()

    def _new_writer(self) -> Writer:
        claim, workshop, work = self._claim, self._workshop, self._work
        ids = (str(claim.thread_id), str(work.message_id), claim.attempt)
        may_write = partial(workshop.presence.holds, claim.lease_id)
        score = Score(scores.first_number(work.parameters))
        return Writer(workshop.flusher, *ids, may_write=may_write, score=score, text=work.settled)

    def _begin(self) -> None:
        """Where something was told before this attempt, the row says what becomes of it before any reader hears."""
        claim, work = self._claim, self._work
        if claim.attempt > 1 or work.settled:
            score = scores.left(claim.job_id).score
            score.reopen(work.settled, self._progress.ended_calls)
            if not insist(self._workshop.presence, claim, partial(_keep, claim, work.settled, score.dump())):
                raise Stopped(Stop.LOST)
            self._writer.go_on(score, work.settled)
        self._writer.begin(work.model_id)

    def _step_by_step(self, draft: Draft) -> Outcome | None:
        """Tool calls, then the model, and again, until it has said its last word; None when the worker was freed."""
        box = toolbox.prepare(self._settings, self._work, self._workshop.listing)
        turns = Turns(self._work, self._progress, self._claim.steers > 0)
        calling = Calling(self._workshop, self._run, self._work, box=box, progress=self._progress, writer=self._writer)
        while True:
            match calling.through() if self._progress.open_calls else None:
                case Freed():
                    return None
                case Handed():
                    return outcome.answered(self._writer.text, "stop")
                case Finish(answer):
                    return self._answer(answer)
            if spent := limits.spent(self._settings, self._work, self._progress, self._run):
                return spent
            call = self._asking.ask(draft, turns.next(), box)
            if turns.are_over(call, box):
                return outcome.finished(self._writer.text, call)
            self._progress.step(call, self._writer.text)

    def _answer(self, answer: str) -> Outcome:
        """The tool `finish` has closed the reply with its answer."""
        settled = self._progress.settled
        self._writer.delta(f"\n\n{answer}" if settled.strip() else answer)
        return outcome.answered(self._writer.text, "stop")

    def _refused(self, error: ProviderError) -> None:
        settings, seconds = self._settings, error.retry_after or 0
        may_wait = error.retryable and settings.short_wait_seconds < seconds <= settings.long_wait_seconds
        if may_wait and self._claim.waits < settings.max_waits:
            self._wait(seconds, str(error))
        else:
            logger.warning("reply refused by its provider", code=error.code)
            reason = "content_filter" if isinstance(error, ContentFiltered) else "error"
            last = self._asking.broken_off(reason, error.request_id)
            self._finish(outcome.refused(self._writer.text, last, error))

    def _wait(self, seconds: float, reason: str) -> None:
        def wait() -> None:
            with transaction() as session:
                self._progress.rest(session)
                wake_at = lifecycle.wait(session, self._claim, seconds, self._run.seconds_left())
            if wake_at is not None:
                failpoints.hit("waiting")
                logger.info("reply waits for its provider", seconds=seconds)
                self._writer.send(events.WAITING, {"wake_at": iso(wake_at), "reason": reason})

        insist(self._workshop.presence, self._claim, wait)
        self._settle()

    def _hand_over(self) -> None:
        hand_over(self._workshop.presence, self._claim, self._progress.rest)

    def _stopped(self, why: Stop) -> None:
        if why is Stop.CANCELLED:
            self._end_early(Status.CANCELLED, "", "")
        elif why is Stop.DEADLINE:
            self._end_early(Status.FAILED, *outcome.DEADLINE)
        elif why is Stop.HANDED_OVER:
            logger.info("handing the reply over")
            self._hand_over()
        else:
            logger.warning("attempt abandoned: the job belongs to somebody else now")

    def _end_early(self, status: Status, code: str, message: str) -> None:
        last = self._asking.broken_off("cancelled" if status is Status.CANCELLED else "error")
        self._finish(outcome.ended_early(status, self._writer.text, last, code, message))

    def _finish(self, end: Outcome) -> None:
        self._settle()  # the last words before the last event
        score = self._writer.end(end.text, complete=scores.is_whole(end.status, end.finish_reason))
        insist(self._workshop.presence, self._claim, lambda: finishing.finish(self._claim, end, score))

    def _settle(self) -> None:
        self._writer.settle(self._settings.redis_timeout_seconds)


def _keep(claim: Claim, text: str, score: str) -> bool:
    with transaction() as session:
        return lifecycle.checkpoint(session, claim, text, score)
