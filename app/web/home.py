"""/: what this is or, for somebody signed in, a message to begin with."""

from __future__ import annotations

from flask import Blueprint, render_template

from app.auth import door
from app.web import composer

routes = Blueprint("home", __name__)


@routes.get("/")
def show() -> str:
    """The first page."""
    who = door.visitor()
    return render_template("home/show.html", composer=composer.offer(who.user_id) if who else None)
