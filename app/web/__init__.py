"""HTML for people: the same nouns. Every action is a form post and a redirect; scripts only make the page live."""

from __future__ import annotations

from flask import Blueprint, Flask

from app.web import (
    answers,
    assets,
    branches,
    errors,
    home,
    invocations,
    messages,
    money,
    once,
    preferences,
    session,
    streams,
    texts,
    themes,
    threads,
    times,
    users,
    visitor,
    waits,
)


def register(app: Flask) -> None:
    """Add every page."""
    # Flask's own limit for forms is below what the longest message takes, percent-encoded.
    app.config["MAX_FORM_MEMORY_SIZE"] = app.config["MAX_CONTENT_LENGTH"]
    pages = Blueprint("web", __name__)
    for nouns in (home, session, users, threads, streams, messages, waits, answers, branches, preferences, themes):
        pages.register_blueprint(nouns.routes)
    pages.context_processor(visitor.present)
    errors.init_app(app, pages)
    for words in (assets, times, invocations, texts, money, once, visitor):
        words.init_app(app)
    app.register_blueprint(pages)
