"""`/v1/responses/{id}`: reading a response, following it, cancelling and deleting it, and what it was asked with."""

from __future__ import annotations

from typing import NoReturn
from uuid import UUID

from flask import Blueprint, Response
from pydantic import BaseModel, ConfigDict

from app.auth.principal import Principal
from app.chat import cancelling, following, numbered, responding
from app.chat.errors import NotFound
from app.chat.numbered import Told
from app.models import TERMINAL
from app.responses import creating, entrance, identifiers, listing, objects, streaming
from app.responses.complaints import Complaint
from app.responses.listing import Page
from app.stream.hub import current_hub

routes = Blueprint("retrieving", __name__)

# How far the numbers of an attempt that crashed may be ahead of its row, at most: app/stream/score.py.
_AHEAD = 10_000
_CANCEL_SECONDS = 5.0


class Retrieve(BaseModel):
    """The query of one response. What else a client may send has no effect."""

    model_config = ConfigDict(extra="ignore")

    stream: bool = False
    starting_after: int | None = None


@routes.get("/responses/<response_id>")
def read_response(response_id: str) -> Response:
    """The response as it stands, or, with `stream`, its events from the start or after a number, live."""
    who, wanted = entrance.who(), entrance.query(Retrieve)
    told = _told(who, response_id)
    if wanted.stream:
        return _stream(who, told, wanted.starting_after)
    if wanted.starting_after is not None:
        raise Complaint("'starting_after' goes with 'stream=true' only.", param="starting_after")
    return creating.sent(objects.whole(told))


@routes.post("/responses/<response_id>/cancel")
def cancel_response(response_id: str) -> Response:
    """Stop writing and keep what is written. One that has ended stays as it ended."""
    who = entrance.who()
    reply_id = _found(who, response_id)
    message = cancelling.cancel(who.user_id, reply_id)
    if message.status not in TERMINAL:  # its worker has to agree, which takes it milliseconds
        following.wait(current_hub(), who.user_id, who.credential, reply_id, _CANCEL_SECONDS)
    return creating.sent(objects.whole(numbered.read(who.user_id, reply_id)))


@routes.delete("/responses/<response_id>")
def delete_response(response_id: str) -> Response:
    """From now on there is no such response; one that runs is cancelled."""
    who = entrance.who()
    try:
        responding.remove(who.user_id, _id(response_id))
    except NotFound:
        _missing(response_id)
    return creating.sent({"id": response_id, "object": "response", "deleted": True})


@routes.get("/responses/<response_id>/input_items")
def list_input_items(response_id: str) -> Response:
    """The items that the response was asked for with."""
    who, wanted = entrance.who(), entrance.query(Page)
    try:
        rows = responding.given(who.user_id, _id(response_id), contents=wanted.contents)
    except NotFound:
        _missing(response_id)
    return creating.sent(listing.page(rows, wanted))


def _stream(who: Principal, told: Told, after: int | None) -> Response:
    after = creating.FROM_THE_START if after is None else after
    last, ended = told.output.number - 1, told.message.status in TERMINAL
    if after < creating.FROM_THE_START or after > last + (0 if ended else _AHEAD):
        raise Complaint(
            f"Invalid 'starting_after': {after} is no number of this response; its last is {last}.",
            param="starting_after",
            code="invalid_value",
        )
    if ended and after == last:
        return streaming.response([])
    return streaming.response(creating.events(who, told.message, told.parameters, after))


def _told(who: Principal, response_id: str) -> Told:
    return numbered.read(who.user_id, _found(who, response_id))


def _found(who: Principal, response_id: str) -> UUID:
    """The id of a response that is there, and is this user's."""
    try:
        return responding.find(who.user_id, _id(response_id)).message.id
    except NotFound:
        _missing(response_id)


def _id(response_id: str) -> UUID:
    found = identifiers.read("resp", response_id)
    if found is None:
        _missing(response_id)
    return found


def _missing(response_id: str) -> NoReturn:
    raise Complaint(f"Response with id '{response_id[:100]}' not found.", status=404, code="not_found") from None
