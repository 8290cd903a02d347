"""The Celery application of the process that runs tasks."""

from __future__ import annotations

import tasks
from app.extensions import celery
from workers import signals

celery.config_from_object("celeryconfig")
celery.events_cls = "workers.events:Events"
signals.connect()

__all__ = ["celery", "tasks"]
