"""/sse: a thread's page, kept current."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, current_app, request, stream_with_context

from app.auth import door
from app.chat import following
from app.stream import sse
from app.stream.hub import Hub
from app.web.frames import Frames

routes = Blueprint("streams", __name__)


@routes.get("/sse/<uuid:thread_id>")
def show(thread_id: UUID) -> Response:
    """HTML for each of the thread's events, from a snapshot or a cursor on, until the reader leaves."""
    who, hub = door.who(), current_app.extensions["hub"]
    assert isinstance(hub, Hub)
    after = request.headers.get("Last-Event-ID") or request.args.get("after")
    frames = Frames(who.user_id, thread_id)
    items = following.thread(hub, who.user_id, who.credential, thread_id, after, patience=frames.patience)
    return Response(stream_with_context(frames.of(items)), mimetype="text/event-stream", headers=sse.HEADERS)
