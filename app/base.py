"""The application without its doors: all that the process that writes replies needs, and the ground of the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask

from app import database, failpoints, logs, redis_client
from app.config import Settings, current_settings
from app.extensions import celery, db


class Application(Flask):
    """Flask without coroutines: it looks whether a function is one each time it calls it, fourteen times a request."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_base(settings: Settings | None = None, *, is_worker: bool) -> Flask:
    """An application for the process that writes replies, or for a command that no door is needed for."""
    app = Application("app")
    furnish(app, settings or current_settings(), is_worker=is_worker)
    return app


def furnish(app: Flask, settings: Settings, *, is_worker: bool) -> None:
    """Give `app` its settings, its database, its Redis and the way to its broker."""
    logs.configure(settings.log_level)
    failpoints.arm(settings.failpoints)
    app.config.from_mapping(_flask_config(settings))
    db.init_app(app)
    app.extensions["redis"] = redis_client.connected(settings.redis_url, settings.redis_timeout_seconds)
    celery.config_from_object("celeryconfig")
    celery.conf.update(broker_url=settings.redis_url)
    with app.app_context():
        database.prepare(db.engine, is_worker)


def _flask_config(settings: Settings) -> dict[str, Any]:
    return {
        "HOLDFAST": settings,
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        # No parameters in error messages: they would carry what people wrote into the logs.
        "SQLALCHEMY_ENGINE_OPTIONS": database.engine_options(settings) | {"hide_parameters": True},
    }
