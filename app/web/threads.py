"""/chat: the list of threads, and one thread with its messages."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app.auth import door, limits
from app.chat import reading, threads
from app.models import ACTIVE
from app.web import composer
from app.web.forms import Refused
from app.web.visitor import see

routes = Blueprint("threads", __name__)

_THREADS = 30
_MESSAGES = 50


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
def show(thread_id: UUID, refused: Refused | None = None) -> str:
    """A thread: its newest messages, or, with `cursor`, older ones."""
    user_id, cursor = door.who().user_id, request.args.get("cursor")
    thread = threads.get(user_id, thread_id)
    page = reading.path(user_id, thread_id, limit=_MESSAGES, cursor=cursor)
    return render_template(
        "threads/show.html",
        thread=thread,
        page=page,
        newest=cursor is None,
        running=any(message.status in ACTIVE for message in page.items),
        composer=composer.offer(user_id, thread, refused),
    )


@routes.post("/chat/<uuid:thread_id>")
@limits.posts
def post(thread_id: UUID) -> ResponseReturnValue:
    """Post a message to the thread."""
    try:
        return see(composer.send(door.who().user_id, thread_id))
    except Refused as refused:
        return show(thread_id, refused), 422
