"""What can be done with a message on a thread's page: stop its reply."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import door
from app.chat import cancelling
from app.chat.errors import NotFound
from app.ids import parse_id
from app.web.visitor import see

routes = Blueprint("messages", __name__)


@routes.post("/chat/<uuid:thread_id>/cancel")
def cancel(thread_id: UUID) -> ResponseReturnValue:
    """Stop the reply `message_id` and come back to the thread."""
    user_id, message_id = door.who().user_id, parse_id(request.form.get("message_id", ""))
    if message_id is None:
        raise NotFound("message")
    cancelling.cancel(user_id, message_id)
    return see(url_for("web.threads.show", thread_id=thread_id))
