"""Other versions: another reply to the same message, one that goes on where a limit cut it, and which one is shown."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from flask import Blueprint, g
from flask.typing import ResponseReturnValue
from pydantic import StringConstraints

from app.auth import limits
from app.chat import branching, reading, threads
from app.chat.errors import NotFound
from app.chat.objects import Sent, ThreadObject
from app.web.acting import act
from app.web.forms import Form, Left, Line, read
from app.web.once import once, there
from app.web.siblings import Tree

routes = Blueprint("branches", __name__)


class Regenerating(Form):
    """What shall be different this time: the model, where the page names the one that is chosen there now."""

    model: Annotated[Annotated[Line, StringConstraints(max_length=200)] | None, Left] = None


@routes.post("/chat/<uuid:thread_id>/regenerate")
@limits.posts
def regenerate(thread_id: UUID) -> ResponseReturnValue:
    """Another reply beside this one."""
    return act(thread_id, _regenerate)


@routes.post("/chat/<uuid:thread_id>/continue")
@limits.posts
def proceed(thread_id: UUID) -> ResponseReturnValue:
    """A reply beside this one that begins with its text and goes on."""
    return act(thread_id, _proceed)


@routes.post("/chat/<uuid:thread_id>/active")
def activate(thread_id: UUID) -> ResponseReturnValue:
    """Show the branch of this version, to its end."""
    return act(thread_id, _activate)


def _regenerate(user_id: UUID, message_id: UUID) -> Sent:
    given = read(Regenerating).model_dump(exclude_none=True)
    key, request_id = once(user_id, str(message_id), *given.values()), g.get("request_id")
    return branching.regenerate(user_id, message_id, given, request_id=request_id, once=key, render=there)


def _proceed(user_id: UUID, message_id: UUID) -> Sent:
    key, request_id = once(user_id, str(message_id)), g.get("request_id")
    return branching.proceed(user_id, message_id, request_id=request_id, once=key, render=there)


def _activate(user_id: UUID, message_id: UUID) -> ThreadObject:
    message = reading.get(user_id, message_id)
    leaf = Tree.of(user_id, message.thread_id, [message], whole=True).end(message_id)
    if leaf is None:
        raise NotFound("message")
    return threads.change(user_id, message.thread_id, {"active_message_id": leaf})
