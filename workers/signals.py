"""What a worker process does when it starts, when it runs a task, and when it is told to stop."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog
from celery import Task, signals
from flask import Flask

from app import create_app
from app.chat import finishing
from app.chat.replying import Workshop
from app.config import current_settings
from app.extensions import celery, redis_client
from app.jobs.presence import Presence
from app.jobs.reaper import Reaper
from app.llm.call import Watch
from app.logs import configure
from app.stream.flusher import Flusher
from app.stream.signals import CancelListener

log = structlog.get_logger(__name__)


def connect() -> None:
    """Register the receivers below; Celery holds them weakly, this module holds them for good."""
    signals.setup_logging.connect(_log)
    signals.worker_init.connect(_start)
    signals.worker_shutting_down.connect(_drain)
    signals.worker_shutdown.connect(_leave)


class InApp(Task[..., Any]):
    """A task that runs in the application's context, with its job's id in every log line."""

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
    app = create_app(settings, is_worker=True)
    InApp.flask = app
    presence = Presence(app, settings)
    # Its own connection: a flush must not wait behind anything else.
    flusher = Flusher(redis_client(settings.redis_url, settings.redis_timeout_seconds, connections=2), settings)
    app.extensions["workshop"] = Workshop(settings, presence, flusher, Watch())
    presence.start()
    Reaper(app, settings, finishing.end_abandoned, finishing.announce).start()
    CancelListener(app.extensions["redis"], lambda job_id: presence.cancel(UUID(job_id))).start()
    log.info("worker started", threads=settings.worker_threads, lease=str(presence.lease_id))


def _workshop() -> Workshop | None:
    return InApp.flask.extensions["workshop"] if InApp.flask is not None else None


def _drain(**_: Any) -> None:
    """The first signal to stop: running replies are handed over, and Celery waits for their threads to return."""
    workshop = _workshop()
    if workshop is not None:
        workshop.presence.drain()


def _leave(**_: Any) -> None:
    workshop = _workshop()
    if workshop is not None:
        workshop.presence.leave()
