"""The one place where the doors and what is behind them are put together."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from flask import Flask
from flask_openapi.models.info import Info
from flask_openapi.openapi import OpenAPI
from werkzeug.middleware.proxy_fix import ProxyFix

from app import __version__, api, base, edge, responses, web
from app.api import blueprint, problems
from app.auth import door, limits, principal
from app.chat import watching
from app.cli import commands
from app.config import Settings, current_settings
from app.extensions import celery
from app.redis_client import quick
from app.stream.hub import Hub
from app.stream.outlets import Outlets
from app.stream.sockets import Sockets

_SECURITY_SCHEMES: Any = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key, hf_…"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "session",
        "description": "Sign-in; changes need X-CSRFToken.",
    },
}


class _Application(base.Application, OpenAPI):
    """The web process's, which says what it understands."""


def create_app(settings: Settings | None = None) -> Flask:
    """The application with all its doors, for the web process and for commands."""
    settings = settings or current_settings()
    app = _Application(
        "app",
        info=Info(title="Holdfast", version=__version__, description="An AI chat backend whose replies survive."),
        security_schemes=_SECURITY_SCHEMES,
        validation_error_callback=problems.invalid,
        validation_error_model=problems.Problem,
        doc_prefix="/api/docs",
        doc_url="/openapi.json",
    )
    base.furnish(app, settings, is_worker=False)
    app.config.from_mapping(_flask_config(settings))
    edge.init_app(app, settings)  # first, so that even a refusal by what follows has an id and a log line
    app.wsgi_app = ProxyFix(app.wsgi_app, *[settings.trusted_proxies] * 4)  # type: ignore[method-assign]  # Flask's own way
    _serve_readers(app, settings)
    limits.init_app(app)
    blueprint.init_app(app)
    problems.init_app(app)
    door.init_app(app)
    api.register(app)
    responses.register(app)
    web.register(app)
    commands.register(app)
    return app


def _flask_config(settings: Settings) -> dict[str, Any]:
    return {
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "MAX_CONTENT_LENGTH": settings.max_body_bytes,
        "PERMANENT_SESSION_LIFETIME": timedelta(days=settings.session_days),
        "SESSION_REFRESH_EACH_REQUEST": False,  # an answer under way would bring an old cookie back over a new one
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.secure_cookies,
        "WTF_CSRF_CHECK_DEFAULT": False,  # app.auth.door checks it, where a cookie is what let somebody in
        "WTF_CSRF_TIME_LIMIT": None,  # as long as the session
        "RATELIMIT_ENABLED": settings.rate_limits == "on",
        "RATELIMIT_STORAGE_URI": settings.redis_url,
        "RATELIMIT_STORAGE_OPTIONS": quick(settings.redis_timeout_seconds),
        "RATELIMIT_HEADER_LIMIT": "RateLimit-Limit",
        "RATELIMIT_HEADER_REMAINING": "RateLimit-Remaining",
        "RATELIMIT_HEADER_RESET": "RateLimit-Reset",
    }


def _serve_readers(app: Flask, settings: Settings) -> None:
    # A request must not wait for a broker that is gone; the row is committed and the reaper sends the wake-up.
    patience = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), settings.redis_timeout_seconds)
    patience["max_retries"] = 0
    celery.conf.update(broker_transport_options=celery.conf.broker_transport_options | patience)
    app.extensions["hub"] = Hub(app, settings, app.extensions["redis"], partial(watching.look, principal.owners))
    app.extensions["outlets"] = Outlets(app)
    app.extensions["sockets"] = Sockets(app, settings, principal.valid)
