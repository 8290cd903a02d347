"""Checkpoints: the text so far of every running reply, kept in its row by one thread for the whole process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import failpoints
from app.config import Settings
from app.database import transaction
from app.jobs import lifecycle
from app.jobs.run import Run, Stop
from app.stream.writer import Noted

_SENTENCE_ENDS = (".", "!", "?", "\n", "。")
_LEAST_SECONDS = 0.5
_LOOK_SECONDS = 0.1

log = structlog.get_logger(__name__)


class Draft:
    """What one attempt has written, and what of it stands in its row. Its own lock keeps the two in step."""

    def __init__(self, run: Run, noted: Callable[[], Noted], longest_seconds: float) -> None:
        self.run = run
        self.lock = threading.Lock()
        self._noted = noted
        self._longest = longest_seconds
        self._kept_at = time.monotonic()
        self._sentence_ended = False
        self._has_grown = False
        self._has_kept = False

    def grow(self, newest: str) -> None:
        """Note that the text has grown by `newest`; costs the token nothing else."""
        self._sentence_ended = newest.rstrip(" ").endswith(_SENTENCE_ENDS)
        self._has_grown = True

    def stir(self) -> None:
        """Note that something besides the text has grown, which is kept with it."""
        self._has_grown = True

    def due(self, now: float) -> bool:
        """At finished sentences, at most twice a second; without them every few seconds, though the model stalls."""
        since = now - self._kept_at
        return self._has_grown and since >= (_LEAST_SECONDS if self._sentence_ended else self._longest)

    def take(self) -> Noted:
        """What to keep now. Call it with the lock held, until it is kept."""
        self._has_grown = self._sentence_ended = False
        self._has_kept = True  # even a commit that failed may have taken place
        self._kept_at = time.monotonic()
        return self._noted()

    def put_back(self) -> None:
        """What was taken may not be in the row: it stays due."""
        self._has_grown = True

    def take_back(self, to: Noted, reset: Callable[[], None]) -> None:
        """Take the row back `to` what stays, then `reset` the readers: a checkpoint must never outlive a reset.

        Raises SQLAlchemyError; nothing was reset then.
        """
        with self.lock:
            if self._has_kept:
                with transaction() as session:
                    lifecycle.checkpoint(session, self.run.claim, to.text, to.score)
            reset()
            self._has_grown = False


class Keeper:
    """A thread that keeps the drafts that are due, in one transaction for all of them."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._drafts: set[Draft] = set()
        self._arrived = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keeping(self, run: Run, noted: Callable[[], Noted]) -> Iterator[Draft]:
        """Keep what `noted` returns for the length of the block."""
        draft = Draft(run, noted, self._settings.checkpoint_seconds)
        with self._arrived:
            self._drafts.add(draft)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="keeper", daemon=True)
                self._thread.start()
            self._arrived.notify()
        try:
            yield draft
        finally:
            with self._arrived:
                self._drafts.discard(draft)

    def _loop(self) -> None:
        with self._app.app_context():
            while True:
                with self._arrived:
                    self._arrived.wait_for(lambda: self._drafts)
                    now = time.monotonic()
                    due = sorted((x for x in self._drafts if x.due(now)), key=lambda x: x.run.claim.job_id)
                if due:
                    self._keep(due)
                time.sleep(_LOOK_SECONDS)

    def _keep(self, due: list[Draft]) -> None:
        try:
            lost = _checkpoint(due)
        except SQLAlchemyError as error:
            log.warning("checkpoints failed; the next ones have their text", error=type(error).__name__)
        except Exception:
            log.exception("checkpoints failed")  # the thread serves every reply of the process: it must live on
        else:
            failpoints.hit("checkpointed")
            for draft in lost:
                draft.run.stop(Stop.LOST)


def _checkpoint(due: list[Draft]) -> list[Draft]:
    """Keep them all or none; returns those whose claim is lost. Their locks are held until it is committed."""
    with ExitStack() as held:
        for draft in due:
            held.enter_context(draft.lock)
        taken = [(draft, draft.take()) for draft in due]
        try:
            with transaction() as session:
                return [draft for draft, noted in taken if not _kept(session, draft.run, noted)]
        except BaseException:
            for draft in due:
                draft.put_back()
            raise


def _kept(session: Session, run: Run, noted: Noted) -> bool:
    return lifecycle.checkpoint(session, run.claim, noted.text, noted.score)
