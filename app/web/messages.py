"""What can be done with a message on a thread's page: stop its reply, change it, take it back."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from app.auth import limits
from app.chat import branching, cancelling, withdrawing
from app.chat.objects import Sent
from app.web.acting import act
from app.web.forms import Form, Words, read
from app.web.once import once, there

routes = Blueprint("messages", __name__)


class Edit(Form):
    """A message's new text."""

    content: Words


@routes.post("/chat/<uuid:thread_id>/cancel")
def cancel(thread_id: UUID) -> ResponseReturnValue:
    """Stop the reply `message_id` and come back to the thread."""
    return act(thread_id, cancelling.cancel)


@routes.post("/chat/<uuid:thread_id>/edit")
@limits.posts
def edit(thread_id: UUID) -> ResponseReturnValue:
    """Say something else in its place: in a branch of its own, unless nobody has begun to answer it."""
    return act(thread_id, _edit)


@routes.post("/chat/<uuid:thread_id>/withdraw")
def withdraw(thread_id: UUID) -> ResponseReturnValue:
    """Take a message back that nobody has begun to answer."""
    return act(thread_id, withdrawing.withdraw)


def _edit(user_id: UUID, message_id: UUID) -> Sent:
    content, request_id = read(Edit).content, g.get("request_id")
    key = once(user_id, str(message_id), content)
    return branching.edit(user_id, message_id, content, request_id=request_id, once=key, render=there)
