"""/chat: the list of threads, and one thread with its messages."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import AfterValidator, StringConstraints

from app.auth import door, limits
from app.chat import threads
from app.text import clean
from app.web import composer, desk, history
from app.web.forms import Form, Refused, read
from app.web.partial import is_partial, lead, varied
from app.web.refusal import Refusal
from app.web.visitor import see

routes = Blueprint("threads", __name__)


class NewTitle(Form):
    """What to call a thread."""

    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(clean)]


@routes.get("/chat")
def index(refused: Refused | None = None) -> Response:
    """A new chat, and the threads there are, by last activity. A script that asks gets the list alone."""
    user_id = door.who().user_id
    panes = desk.asked(user_id)
    if is_partial() and not refused:
        return varied(make_response(render_template("threads/_list.html", desk=panes)))
    form = composer.offer(user_id, refused=refused)
    if is_partial():
        return varied(make_response(render_template("messages/_composer.html", composer=form)))
    return varied(make_response(render_template("threads/index.html", desk=panes, composer=form)))


@routes.post("/chat")
@limits.posts
def create() -> ResponseReturnValue:
    """Post a message to a new thread and go there."""
    try:
        return lead(composer.send(door.who().user_id))
    except Refused as refused:
        return index(refused), 422


@routes.get("/chat/<uuid:thread_id>")
def show(thread_id: UUID, refused: Refused | None = None, refusal: Refusal | None = None) -> Response:
    """A thread: its newest messages, or, with `cursor`, older ones. A script that asks gets what changes alone."""
    user_id = door.who().user_id
    thread = threads.get(user_id, thread_id)
    if is_partial() and refused:
        form = composer.offer(user_id, thread, refused)
        return varied(make_response(render_template("messages/_composer.html", thread=thread, composer=form)))
    shown = history.read(user_id, thread_id, request.args.get("cursor"))
    what: dict[str, Any] = {"thread": thread, "history": shown, "refusal": refusal}
    if is_partial():
        return varied(make_response(render_template("threads/_parts.html", **what)))
    form = composer.offer(user_id, thread, refused)
    panes = desk.of(user_id, thread_id, form.model)
    return varied(make_response(render_template("threads/show.html", **what, composer=form, desk=panes)))


@routes.post("/chat/<uuid:thread_id>")
@limits.posts
def post(thread_id: UUID) -> ResponseReturnValue:
    """Post a message to the thread."""
    try:
        return see(composer.send(door.who().user_id, thread_id))
    except Refused as refused:
        return show(thread_id, refused), 422


@routes.post("/chat/<uuid:thread_id>/title")
def rename(thread_id: UUID) -> ResponseReturnValue:
    """Call it something else."""
    user_id = door.who().user_id
    try:
        threads.change(user_id, thread_id, {"title": read(NewTitle).title})
    except Refused as refused:
        return show(thread_id, refused), 422
    return see(url_for("web.threads.show", thread_id=thread_id))


@routes.post("/chat/<uuid:thread_id>/archive")
def archive(thread_id: UUID) -> ResponseReturnValue:
    """Put it into the archive, or take it out."""
    threads.change(door.who().user_id, thread_id, {"archived": bool(request.form.get("archived"))})
    return see(url_for("web.threads.show", thread_id=thread_id))


@routes.post("/chat/<uuid:thread_id>/delete")
def delete(thread_id: UUID) -> ResponseReturnValue:
    """Delete it, with everything in it."""
    threads.delete(door.who().user_id, thread_id)
    return lead(url_for("web.threads.index"))
