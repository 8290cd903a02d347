"""The Celery application, without the tasks: all that beat and Flower need."""

from __future__ import annotations

from typing import Any

from celery.signals import setup_logging

from app.config import current_settings
from app.extensions import celery
from app.logs import configure


@setup_logging.connect
def _log(**_: Any) -> None:
    configure(current_settings().log_level)


celery.config_from_object("celeryconfig")

__all__ = ["celery"]
