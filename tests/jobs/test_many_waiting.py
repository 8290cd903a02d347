"""Ten thousand replies that wait are rows and nothing else."""

from __future__ import annotations

import statistics
import time
import tracemalloc

import pytest
from flask import Flask
from sqlalchemy import insert

from app.clock import now
from app.database import transaction
from app.extensions import settings
from app.ids import new_id
from app.jobs.reaper import Reaper
from app.models import Job, Status
from tests.support import rows

MANY = 10_000


@pytest.fixture
def many(app: Flask) -> Flask:
    thread_id = rows.a_thread()
    job = {"task": rows.TASK, "queue": "replies", "thread_id": thread_id, "status": Status.WAITING}
    with transaction() as session:
        session.execute(
            insert(Job).values(wake_at=now(3_600), deadline_at=now(7_200)),
            [job | {"id": new_id()} for _ in range(MANY)],
        )
    return app


def test_a_reapers_pass_over_them_is_quick_and_keeps_nothing(many: Flask) -> None:
    reaper = Reaper(many, settings(), end=pytest.fail, announce=pytest.fail)
    took = [_processor_seconds(reaper) for _ in range(9)]
    assert statistics.median(took) < 0.1
    tracemalloc.start()
    sizes = [_memory_after(reaper) for _ in range(12)]
    tracemalloc.stop()
    assert sizes[-1] - sizes[5] < 100_000  # a row is some 500 bytes: 10,000 would show


def _processor_seconds(reaper: Reaper) -> float:
    began = time.process_time()
    reaper.pass_once()
    return time.process_time() - began


def _memory_after(reaper: Reaper) -> int:
    reaper.pass_once()
    return tracemalloc.get_traced_memory()[0]
