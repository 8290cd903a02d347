"""The Celery application of the process that runs tasks."""

from __future__ import annotations

import tasks
from workers import signals
from workers.celery_app import celery

signals.connect()

__all__ = ["celery", "tasks"]
