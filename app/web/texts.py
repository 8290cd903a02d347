"""Texts of messages as pages show them."""

from __future__ import annotations

from zlib import crc32

from flask import Flask

from app.chat.objects import MessageObject
from app.models import ACTIVE
from app.web import markdown
from app.web.growing import Growing, Growth


def init_app(app: Flask) -> None:
    """Register the filters."""
    app.add_template_filter(markdown.render, "markdown")
    app.add_template_filter(growth, "growth")
    app.add_template_filter(mark, "mark")


def growth(message: MessageObject) -> Growth | None:
    """The text of a reply that has not ended; None for what is whole."""
    if message.role != "assistant" or message.status not in ACTIVE:
        return None
    return Growing(message.attempt, message.content).grown()


def mark(*written: object) -> str:
    """Another one for other content: how a page notices that it shows something old."""
    return f"{crc32(repr(written).encode()):08x}"
