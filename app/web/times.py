"""Moments as pages show them: in the server's time zone, which a script turns into the reader's."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Flask

from app.clock import iso
from app.extensions import settings


def init_app(app: Flask) -> None:
    """Register the filters."""
    app.add_template_filter(iso, "iso")
    app.add_template_filter(shown, "shown")
    app.add_template_filter(datetime.fromisoformat, "moment")


def shown(moment: datetime) -> str:
    """E.g. 21 Nov 2026, 10:00 UTC."""
    return f"{moment.astimezone(ZoneInfo(settings().timezone)):%d %b %Y, %H:%M %Z}"
