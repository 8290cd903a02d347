"""/api/messages/{id}/receipt: what a reply took."""

from __future__ import annotations

from flask import Response

from app.api.answers import respond
from app.api.blueprint import group
from app.api.fields import MessagePath
from app.auth import door
from app.chat import receipts
from app.chat.receipts import Receipt

routes = group("receipts", "What replies took.")


@routes.get("/messages/<uuid:message_id>/receipt", summary="Read a receipt", responses={200: Receipt})
def read_receipt(path: MessagePath) -> Response:
    """Every attempt, step, tool call, request id and token of a reply, and what it cost."""
    return respond(receipts.get(door.who().user_id, path.message_id))
