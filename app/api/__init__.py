"""JSON for programs: one module a noun. Nothing here decides anything; it translates."""

from __future__ import annotations

from flask_openapi.openapi import OpenAPI

from app.api import health, keys, messages, models, session, threads, users
from app.api.blueprint import SECURITY


def register(app: OpenAPI) -> None:
    """Add every route."""
    app.openapi_extensions |= SECURITY
    for module in (users, session, keys, messages, threads, models):
        app.register_api(module.routes)
    app.register_blueprint(health.routes)
    # The document stands where API clients look for it, beside the page that shows it.
    app.add_url_rule("/api/openapi.json", "openapi_document", lambda: app.api_doc)
