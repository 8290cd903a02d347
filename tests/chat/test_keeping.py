"""Checkpoints in one process: what a row has of a running reply, though its model stalls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from flask import Flask

from app.chat.keeping import Draft, Keeper
from app.database import transaction
from app.extensions import settings
from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.jobs.run import Run, Stop
from app.stream.writer import Noted
from tests.support import rows
from tests.support.stack import until


def claimed() -> Claim:
    job_id, lease_id = rows.a_job(), rows.a_lease()
    with transaction() as session:
        claim = lifecycle.claim(session, job_id, lease_id, 60, 3)
    assert claim is not None
    return claim


@contextmanager
def kept(app: Flask, run: Run, text: list[str], seconds: float = 0.2) -> Iterator[Draft]:
    keeper = Keeper(app, settings().model_copy(update={"checkpoint_seconds": seconds}))
    with keeper.keeping(run, lambda: Noted("".join(text), "")) as draft:
        yield draft


def checkpoint(job_id: UUID) -> str:
    return rows.job(job_id).checkpoint


def test_a_word_is_kept_though_no_other_follows(app: Flask) -> None:
    run, text = Run(claimed()), ["a word"]
    with kept(app, run, text) as draft:
        draft.grow("a word")
        until(lambda: checkpoint(run.claim.job_id) == "a word", 5, "the checkpoint")


def test_a_finished_sentence_is_kept_sooner_than_the_rest(app: Flask) -> None:
    run, text = Run(claimed()), ["A sentence. "]
    with kept(app, run, text, seconds=600) as draft:
        draft.grow("A sentence. ")
        until(lambda: checkpoint(run.claim.job_id) == "A sentence. ", 5, "the checkpoint")


def test_what_is_taken_back_is_taken_from_the_row_before_the_readers_are_told(app: Flask) -> None:
    run, text = Run(claimed()), ["half"]
    seen = []
    with kept(app, run, text) as draft:
        draft.grow("half")
        until(lambda: checkpoint(run.claim.job_id), 5, "the checkpoint")
        draft.take_back(Noted("", ""), lambda: (seen.append(checkpoint(run.claim.job_id)), text.clear()))
        assert seen == [""]
        assert checkpoint(run.claim.job_id) == ""


def test_a_lost_claim_stops_its_run_and_no_other(app: Flask) -> None:
    lost, fine = Run(claimed()), Run(claimed())
    rows.set_job(lost.claim.job_id, attempt=2)
    keeper = Keeper(app, settings().model_copy(update={"checkpoint_seconds": 0.1}))
    late, kept = Noted("late", ""), Noted("kept", "")
    with keeper.keeping(lost, lambda: late) as one, keeper.keeping(fine, lambda: kept) as other:
        one.grow("late")
        other.grow("kept")
        until(lambda: lost.why, 5, "the stop")
        until(lambda: checkpoint(fine.claim.job_id) == "kept", 5, "the checkpoint")
    assert (lost.why, fine.why, checkpoint(lost.claim.job_id)) == (Stop.LOST, None, "")


@pytest.mark.parametrize("count", [60])
def test_many_replies_are_kept_together(app: Flask, count: int) -> None:
    runs = [Run(claimed()) for _ in range(count)]
    keeper = Keeper(app, settings().model_copy(update={"checkpoint_seconds": 0.1}))
    drafts = [keeper.keeping(run, lambda run=run: Noted(str(run.claim.job_id), "")) for run in runs]
    opened = [draft.__enter__() for draft in drafts]
    for draft in opened:
        draft.grow("x")
    until(lambda: all(checkpoint(run.claim.job_id) == str(run.claim.job_id) for run in runs), 10, "all checkpoints")
    for draft in drafts:
        draft.__exit__(None, None, None)
    assert sum(thread.name == "keeper" for thread in threading.enumerate()) >= 1
