"""HTML for people: the same nouns. Every action is a form post and a redirect; scripts only make the page live."""

from __future__ import annotations

from flask import Blueprint, Flask

from app.web import answers, branches, errors, home, invocations, messages, session, threads, times, users, waits
from app.web.visitor import present


def register(app: Flask) -> None:
    """Add every page."""
    # Flask's own limit for forms is below what the longest message takes, percent-encoded.
    app.config["MAX_FORM_MEMORY_SIZE"] = app.config["MAX_CONTENT_LENGTH"]
    pages = Blueprint("web", __name__)
    for module in (home, session, users, threads, messages, waits, answers, branches):
        pages.register_blueprint(module.routes)
    pages.context_processor(present)
    errors.init_app(app, pages)
    times.init_app(app)
    invocations.init_app(app)
    app.register_blueprint(pages)
