"""/api/messages/{id}/wake and /snooze: a wait ended or stretched."""

from __future__ import annotations

from typing import Annotated

from flask import Response
from pydantic import Field

from app.api.answers import respond
from app.api.blueprint import group
from app.api.fields import Body, MessagePath
from app.auth import door
from app.chat import pausing
from app.chat.objects import MessageObject

routes = group("waits", "Replies that wait.")


class Snoozing(Body):
    """How many seconds longer to wait."""

    seconds: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


@routes.post(
    "/messages/<uuid:message_id>/wake", summary="End a wait", responses={200: MessageObject, 202: MessageObject}
)
def wake_message(path: MessagePath) -> Response:
    """Let a waiting reply go on: 202. One that does not wait is answered as it stands, with 200."""
    message, woken = pausing.wake(door.who().user_id, path.message_id)
    return respond(message, 202 if woken else 200)


@routes.post("/messages/<uuid:message_id>/snooze", summary="Stretch a wait", responses={200: MessageObject})
def snooze_message(path: MessagePath, body: Snoozing) -> Response:
    """Let a waiting reply wait longer, within the longest wait there is."""
    return respond(pausing.snooze(door.who().user_id, path.message_id, body.seconds))
