"""What can be done about a reply that waits: let it go on, or let it wait longer."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue
from pydantic import Field

from app.chat import pausing
from app.chat.objects import MessageObject
from app.web.acting import act
from app.web.forms import Form, read

routes = Blueprint("waits", __name__)


class Snooze(Form):
    """How many seconds longer."""

    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)]


@routes.post("/chat/<uuid:thread_id>/wake")
def wake(thread_id: UUID) -> ResponseReturnValue:
    """End the wait."""
    return act(thread_id, pausing.wake)


@routes.post("/chat/<uuid:thread_id>/snooze")
def snooze(thread_id: UUID) -> ResponseReturnValue:
    """Stretch it."""
    return act(thread_id, _snooze)


def _snooze(user_id: UUID, message_id: UUID) -> MessageObject:
    return pausing.snooze(user_id, message_id, read(Snooze).seconds)
