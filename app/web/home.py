"""/: what this is or, for somebody signed in, a message to begin with."""

from __future__ import annotations

from flask import Blueprint, render_template

from app.auth import door
from app.web import composer, desk

routes = Blueprint("home", __name__)


@routes.get("/")
def show() -> str:
    """The first page."""
    who = door.visitor()
    if who is None:
        return render_template("home/show.html")
    return render_template("threads/index.html", composer=composer.offer(who.user_id), desk=desk.of(who.user_id))
