"""Celery without the application: all that beat and Flower need, for a third of the memory."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.signals import setup_logging

from app.config import current_settings
from app.logs import configure


@setup_logging.connect
def _log(**_: Any) -> None:
    configure(current_settings().log_level)


celery = Celery("holdfast")
celery.config_from_object("celeryconfig")

__all__ = ["celery"]
