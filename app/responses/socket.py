"""WS /v1/responses, as `client.responses.connect()` speaks it: a request a message, its events as they come."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flask import Blueprint, Response, g, json

from app.auth import door, limits, principal
from app.auth.principal import Principal
from app.responses import entrance, streaming
from app.responses.complaints import Complaint, unsupported
from app.responses.lanes import Lanes, refusal
from app.responses.parameters import Create, Strict
from app.stream import sockets, websocket
from app.stream.websocket import Connection, Gone, Unreadable

routes = Blueprint("responses_socket", __name__)

_STREAM_ID = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_NO_STEERING = (
    "A running response takes no further input here; ask for the next one with previous_response_id, or send a message "
    "with busy=steer to its thread by way of /api."
)


class NoCommand(Complaint):
    """A message that is no command of this protocol."""


class Steer(Strict):
    """A wish to give a running response more input."""

    previous_response_id: str
    input: Any


@routes.get("/responses", websocket=True)
@routes.get("/responses")  # what asks for no WebSocket: it shall be told so, and not only that it is wrong
def connect() -> Response:
    """A WebSocket of the key's owner."""
    door.check_socket_origin()
    who = entrance.who()
    return sockets.accept(who.user_id, who.credential, partial(_serve, who, g.request_id))


def _serve(who: Principal, request_id: str, connection: Connection) -> None:
    with Lanes(who, connection, request_id) as lanes:
        while True:
            _hear(who, connection, lanes)


def _hear(who: Principal, connection: Connection, lanes: Lanes) -> None:
    """Take one message and do what it says, or say why not. Raises Gone."""
    stream_id = None
    try:
        given = _members(connection.receive())
        stream_id = _stream_id(given)
        obey = _COMMANDS.get(str(given.pop("type", None)))
        if obey is None:
            raise NoCommand("'type' must be response.create or response.steer.", param="type", code="unknown_command")
        _admit(who, connection)
        obey(connection, lanes, given, stream_id)
    except Gone:
        raise
    except Unreadable as error:
        connection.send(streaming.encode(refusal(NoCommand(str(error), code=error.code), None)))
        connection.offended()
    except Exception as error:
        connection.send(streaming.encode(refusal(error, stream_id)))
        if isinstance(error, NoCommand):
            connection.offended()


def _members(text: str) -> dict[str, Any]:
    """A message's members. Raises NoCommand."""
    try:
        return entrance.cleaned(json.loads(text))
    except ValueError:
        raise NoCommand("The message is not JSON.", code="malformed_json") from None
    except Complaint as error:
        raise NoCommand(str(error).replace("body", "message", 1), code=error.code) from None


def _stream_id(given: dict[str, Any]) -> str | None:
    """The lane that is meant, taken out of the command. Raises Complaint."""
    stream_id = given.pop("stream_id", None)
    if stream_id is not None and not (isinstance(stream_id, str) and _STREAM_ID.fullmatch(stream_id)):
        raise Complaint(
            "'stream_id' must be 1 to 256 letters, digits, underscores, hyphens or periods.",
            param="stream_id",
            code="invalid_stream_id",
        )
    return stream_id


def _admit(who: Principal, connection: Connection) -> None:
    """Whoever may not come in any more does nothing more, like one who sends requests. Raises Gone."""
    if who.credential not in principal.valid({who.credential}):
        connection.close(websocket.POLICY, "revoked")
        raise Gone


def _create(_connection: Connection, lanes: Lanes, given: Mapping[str, Any], stream_id: str | None) -> None:
    limits.count_post(lanes.who.user_id)
    if given.get("generate") is False:
        raise unsupported("generate", "there is nothing to warm up; send the request when it shall be answered.")
    asked = {name: value for name, value in given.items() if name != "generate"}
    lanes.put(Create.model_validate(asked), stream_id)


def _steer(connection: Connection, _lanes: Lanes, given: Mapping[str, Any], _stream_id: str | None) -> None:
    """Refused as OpenAI's protocol has it, which has a word for it."""
    steer = Steer.model_validate(given)
    error = {"type": "invalid_request_error", "code": "steering_not_supported", "message": _NO_STEERING}
    failed = {"type": "response.steer.failed", "sequence_number": 0, "error": error}
    connection.send(streaming.encode(failed | {"steer": steer.model_dump() | {"id": None}}))


Obey = Callable[[Connection, Lanes, Mapping[str, Any], str | None], None]
_COMMANDS: Mapping[str, Obey] = {"response.create": _create, "response.steer": _steer}
