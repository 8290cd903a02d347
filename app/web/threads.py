"""/chat: the list of threads, and one thread with its messages."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from app.auth import door, limits
from app.chat import threads
from app.web import composer, history
from app.web.forms import Refused
from app.web.refusal import Refusal
from app.web.visitor import see

routes = Blueprint("threads", __name__)

_THREADS = 30


@routes.get("/chat")
def index(refused: Refused | None = None) -> str:
    """A new chat, and the threads there are, by last activity."""
    user_id, cursor = door.who().user_id, request.args.get("cursor")
    page = threads.page(user_id, limit=_THREADS, cursor=cursor, order="last_activity", archived=False, status=None)
    return render_template("threads/index.html", page=page, composer=composer.offer(user_id, refused=refused))


@routes.post("/chat")
@limits.posts
def create() -> ResponseReturnValue:
    """Post a message to a new thread and go there."""
    try:
        return see(composer.send(door.who().user_id))
    except Refused as refused:
        return index(refused), 422


@routes.get("/chat/<uuid:thread_id>")
def show(thread_id: UUID, refused: Refused | None = None, refusal: Refusal | None = None) -> Response:
    """A thread: its newest messages, or, with `cursor`, older ones. A script that asks gets the list alone."""
    user_id = door.who().user_id
    thread = threads.get(user_id, thread_id)
    shown = history.read(user_id, thread_id, request.args.get("cursor"))
    form = composer.offer(user_id, thread, refused)
    template = "threads/_messages.html" if "HX-Request" in request.headers else "threads/show.html"
    html = render_template(template, thread=thread, history=shown, composer=form, refusal=refusal)
    response = make_response(html)
    response.vary.add("HX-Request")
    return response


@routes.post("/chat/<uuid:thread_id>")
@limits.posts
def post(thread_id: UUID) -> ResponseReturnValue:
    """Post a message to the thread."""
    try:
        return see(composer.send(door.who().user_id, thread_id))
    except Refused as refused:
        return show(thread_id, refused), 422
