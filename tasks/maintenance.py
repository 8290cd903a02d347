"""Keeping the house clean."""

from __future__ import annotations

from celery import shared_task

from app.chat import retention


@shared_task(name="tasks.clean_up", max_retries=0)
def clean_up() -> None:
    """Remove what nobody can reach any more."""
    retention.clean_up()
