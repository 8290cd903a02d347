"""HTML for people: the same nouns."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add every page."""
