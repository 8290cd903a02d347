"""What a worker process does when it starts, when it runs a task, and when it is told to stop."""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import Any

import structlog
from celery import Task, signals
from celery.worker.request import Request
from flask import Flask

from app import create_worker_app
from app.chat import finishing
from app.config import current_settings
from app.extensions import celery
from app.jobs.reaper import Reaper
from app.llm import providers
from app.logs import configure
from workers import garbage
from workers.apart import Apart
from workers.workshop import open_workshop

_CHILDREN_SECONDS = 3.0  # to hand over what they write; the supervisor kills a worker after 7
_CELERY_SECONDS = 5.0  # to stop; more than a hand-over may take

_told: queue.SimpleQueue[None] = queue.SimpleQueue()

log = structlog.get_logger(__name__)


def connect() -> None:
    """Register the receivers below; Celery holds them weakly, this module holds them for good."""
    signals.setup_logging.connect(_log)
    signals.worker_init.connect(_start)
    signals.worker_shutting_down.connect(_tell)
    signals.worker_shutdown.connect(_leave)


class Fetched(Request):
    """A wake-up that the broker has forgotten: its queues want no acknowledgement, which kombu sends all the same."""

    def acknowledge(self) -> None:
        """Nothing to be sent."""
        self.acknowledged = True


class InApp(Task[..., Any]):
    """A task that runs in the application's context, with its job's id in every log line."""

    Request = f"{__name__}:{Fetched.__name__}"

    flask: Flask | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.flask is None:
            raise RuntimeError("a task was called outside a worker")
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(job_id=self.request.id, task=self.name)
        with self.flask.app_context():
            return super().__call__(*args, **kwargs)


celery.task_cls = f"{__name__}:{InApp.__name__}"


def _log(**_: Any) -> None:
    configure(current_settings().log_level)


def _start(**_: Any) -> None:
    settings = current_settings()
    app = create_worker_app(settings)
    InApp.flask = app
    providers.prepare(settings)
    apart = app.extensions["apart"] = Apart(settings.alone_at_once)
    workshop = app.extensions["workshop"] = open_workshop(app, settings, apart.start)
    garbage.collect_seldom()
    threading.Thread(target=_drain, args=[app], name="drain", daemon=True).start()
    Reaper(app, settings, finishing.end_abandoned, finishing.announce).start()
    log.info("worker started", threads=settings.worker_threads, lease=str(workshop.presence.lease_id))


def _tell(**_: Any) -> None:
    """The first signal to stop. Its handler may wait for nothing, under gevent not even for a lock."""
    _told.put(None)


def _drain(app: Flask) -> None:
    """Once told, running replies are handed over, and Celery waits for them to return.

    But its loop may be held by a broker that does not answer, for as long as that lasts.
    """
    _told.get()
    app.extensions["apart"].drain()
    app.extensions["workshop"].presence.drain()
    time.sleep(_CELERY_SECONDS)
    log.warning("Celery has not stopped in time; leaving without it")
    _leave()
    os._exit(0)


def _leave(**_: Any) -> None:
    if InApp.flask is not None:
        InApp.flask.extensions["apart"].wait(_CHILDREN_SECONDS)
        InApp.flask.extensions["workshop"].presence.leave()
