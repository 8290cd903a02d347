"""Holdfast, an AI chat backend whose replies survive."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.config import Settings

__version__ = "0.1.0"


def create_app(settings: Settings | None = None, *, is_worker: bool = False) -> Flask:
    """The application, as `app.factory` puts it together, for the web process or for the one that writes replies.

    Loaded by name: the supervisor, beat and Flower only want `app.config`, and the rest of this package would cost each
    of them seconds and a hundred megabytes.
    """
    made: Flask = import_module("app.factory").create_app(settings, is_worker=is_worker)
    return made
