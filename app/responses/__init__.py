"""The OpenAI contract, `/v1`: their SDK, in any language, is a client of ours. Its types are its specification."""

from __future__ import annotations

from types import ModuleType

from flask import Blueprint, Flask

from app.responses import (
    complaints,
    completions,
    conversations,
    creating,
    entrance,
    models,
    retrieving,
    socket,
    ui_chat,
)

# Under /v1: Bearer keys only, errors in OpenAI's shape. Each module has its `routes`.
_SURFACE: tuple[ModuleType, ...] = (creating, retrieving, socket, conversations, models, completions)
# What stands beside it, with doors of its own.
_BESIDE: tuple[ModuleType, ...] = (ui_chat,)


def register(app: Flask) -> None:
    """Add every route."""
    surface = Blueprint("v1", __name__, url_prefix="/v1")
    for module in _SURFACE:
        surface.register_blueprint(module.routes)
    entrance.init_app(surface)
    complaints.init_app(app, surface)
    app.register_blueprint(surface)
    for module in _BESIDE:
        app.register_blueprint(module.routes)
