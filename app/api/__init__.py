"""JSON for programs: one module a noun. Nothing here decides anything; it translates."""

from __future__ import annotations

from flask_openapi.openapi import OpenAPI

from app.api import (
    actions,
    branches,
    goals,
    health,
    keys,
    messages,
    models,
    receipts,
    session,
    socket,
    threads,
    tools,
    users,
    waits,
)
from app.api.blueprint import SECURITY


def register(app: OpenAPI) -> None:
    """Add every route."""
    app.openapi_extensions |= SECURITY
    people, talk = (users, session, keys), (messages, branches, waits, actions, receipts, threads, goals)
    for module in (*people, *talk, models, tools):
        app.register_api(module.routes)
    for blueprint in (health.routes, socket.routes):
        app.register_blueprint(blueprint)
    # The document stands where API clients look for it, beside the page that shows it.
    app.add_url_rule("/api/openapi.json", "openapi_document", lambda: app.api_doc)
