"""Holdfast, an AI chat backend whose replies survive."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.config import Settings

__version__ = "0.1.0"


def create_app(settings: Settings | None = None) -> Flask:
    """The application of the web process and of commands, as `app.factory` puts it together.

    Loaded by name, like the other: the supervisor, beat and Flower only want `app.config`, and the rest of this package
    would cost each of them seconds and a hundred megabytes.
    """
    made: Flask = import_module("app.factory").create_app(settings)
    return made


def create_worker_app(settings: Settings | None = None) -> Flask:
    """The application of the process that writes replies, without doors, which took two fifths of its start."""
    made: Flask = import_module("app.base").create_base(settings, is_worker=True)
    return made
