"""Doing something with a message: done, it leads back to its thread; refused, the thread's page says why."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from flask import request, url_for
from flask.typing import ResponseReturnValue

from app.auth import door
from app.chat.errors import ChatError, NotFound
from app.ids import parse_id
from app.web import threads
from app.web.forms import Refused
from app.web.refusal import refusal
from app.web.visitor import see


def act(thread_id: UUID, what: Callable[[UUID, UUID], object]) -> ResponseReturnValue:
    """`what` is given the user's id and that of the message which the form names."""
    user_id, message_id = door.who().user_id, parse_id(request.form.get("message_id", ""))
    if message_id is None:
        raise NotFound("message")
    try:
        what(user_id, message_id)
    except NotFound:
        raise
    except (ChatError, Refused) as error:
        refused = refusal(message_id, error)
        return threads.show(thread_id, refusal=refused), refused.status
    return see(url_for("web.threads.show", thread_id=thread_id))
