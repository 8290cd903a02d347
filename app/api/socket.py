"""/ws: threads followed, posted to and stopped over one WebSocket."""

from __future__ import annotations

import json
from functools import partial

import structlog
from flask import Blueprint, Response, g
from pydantic import ValidationError
from werkzeug.exceptions import TooManyRequests

from app.api import problems, socket_frames, socket_verbs
from app.api.socket_feeds import Feeds, refusal
from app.api.socket_frames import NotJson, UnknownFrame
from app.api.socket_verbs import Visit
from app.auth import door, principal
from app.auth.principal import Principal
from app.chat.errors import ChatError
from app.stream import sockets, websocket
from app.stream.websocket import Connection, Gone, Unreadable

routes = Blueprint("socket", __name__)

log = structlog.get_logger(__name__)

_UNAVAILABLE = "The database is busy; nothing was stored. Send the same again."
_INTERNAL_ERROR = "Holdfast failed to do this; the log has the connection's id."


@routes.get("/ws", websocket=True)
@routes.get("/ws")  # what asks for no WebSocket: it shall be told so, and not only that it is wrong
def open_socket() -> Response:
    """A WebSocket of the user, by key or cookie. Browsers let any page open one, so the page's origin is checked."""
    door.check_socket_origin()
    who = door.who()
    return sockets.accept(who.user_id, who.credential, partial(_serve, who, g.get("request_id")))


def _serve(who: Principal, request_id: str | None, connection: Connection) -> None:
    connection.send(json.dumps({"type": "connected", "connection_id": str(connection.id)}))
    feeds = Feeds(connection, who)
    visit = Visit(who.user_id, feeds, request_id)
    try:
        while True:
            _hear(connection, who, visit)
    finally:
        feeds.close_all()


def _hear(connection: Connection, who: Principal, visit: Visit) -> None:
    """Take one message and do what it says, or say why not. Raises Gone."""
    ref = None
    try:
        given = socket_frames.members(connection.receive())
        ref = socket_frames.ref(given)
        frame = socket_frames.frame(given)
        _admit(connection, who)
        socket_verbs.act(visit, frame)
    except Gone:
        raise
    except Exception as error:
        connection.send(refusal(*_reason(error), ref))
        if isinstance(error, Unreadable | NotJson | UnknownFrame):
            connection.offended()


def _admit(connection: Connection, who: Principal) -> None:
    """Whoever may not come in any more does nothing more, like one who sends requests. Raises Gone."""
    if who.credential not in principal.valid({who.credential}):
        connection.close(websocket.POLICY, "signed out or revoked")
        raise Gone


def _reason(error: Exception) -> tuple[str, str]:
    """The code and the detail that tell the client of it."""
    match error:
        case Unreadable() | NotJson() | UnknownFrame():
            return error.code, str(error)
        case ValidationError():
            return "validation_error", problems.sentence(error)
        case ChatError():
            return error.code, problems.sentence(error)
        case TooManyRequests():
            return "rate_limited", f"More than {error.description}; send it again in {error.retry_after} s."
    if isinstance(error, problems.UNAVAILABLE):
        log.warning("database unavailable", error=type(error).__name__)
        return "unavailable", _UNAVAILABLE
    log.error("frame failed unexpectedly", exc_info=error)
    return "internal_error", _INTERNAL_ERROR
