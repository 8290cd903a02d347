"""`/v1/conversations`: threads, and the items on the path of each that is shown."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from flask import Blueprint, Response
from pydantic import Field

from app.auth import limits
from app.chat import conversing, threads
from app.chat.errors import InvalidField, NotFound
from app.chat.idempotency import Answer
from app.chat.items import Entry, Given
from app.chat.objects import ThreadObject
from app.responses import creating, entrance, entries, given, identifiers, listing, objects, ordering
from app.responses.complaints import Complaint
from app.responses.entries import Item
from app.responses.listing import Page
from app.responses.parameters import Metadata, Strict

routes = Blueprint("conversations", __name__)

_MOST_ITEMS = 20


class CreateConversation(Strict):
    """A conversation that may begin with items."""

    items: list[Any] | None = Field(None, max_length=_MOST_ITEMS)
    metadata: Metadata | None = None


class UpdateConversation(Strict):
    """What of a conversation can be changed."""

    metadata: Metadata | None


class CreateItems(Strict):
    """Items for its end."""

    items: list[Any] = Field(min_length=1, max_length=_MOST_ITEMS)


@routes.post("/conversations")
@limits.posts
def create_conversation() -> Response:
    """A conversation; to /api it is a thread."""
    who, body = entrance.who(), entrance.body(CreateConversation)
    items = given.items(body.items or [], "items")
    once = entrance.once(who.user_id)
    try:
        made = conversing.create(who.user_id, _given(items), metadata=body.metadata or {}, once=once, render=_kept)
    except InvalidField as error:
        raise _invalid(items, error) from None
    return creating.sent(_shown(made))


@routes.get("/conversations/<conversation_id>")
def read_conversation(conversation_id: str) -> Response:
    """One conversation."""
    return creating.sent(_shown(_thread(conversation_id)))


@routes.post("/conversations/<conversation_id>")
def update_conversation(conversation_id: str) -> Response:
    """Other metadata."""
    thread = _thread(conversation_id)
    changes = {"metadata": entrance.body(UpdateConversation).metadata or {}}
    return creating.sent(_shown(threads.change(entrance.who().user_id, thread.id, changes)))


@routes.delete("/conversations/<conversation_id>")
def delete_conversation(conversation_id: str) -> Response:
    """Delete it with all that is in it, and cancel what runs there."""
    try:
        threads.delete(entrance.who().user_id, ordering.conversation(conversation_id))
    except NotFound:
        _missing(conversation_id)
    return creating.sent({"id": conversation_id, "object": "conversation.deleted", "deleted": True})


@routes.get("/conversations/<conversation_id>/items")
def list_items(conversation_id: str) -> Response:
    """The items of the path that is shown."""
    wanted = entrance.query(Page)
    return creating.sent(listing.page(_rows(conversation_id, contents=wanted.contents), wanted))


@routes.post("/conversations/<conversation_id>/items")
@limits.posts
def create_items(conversation_id: str) -> Response:
    """More items at its end; nobody answers them before a response is asked for."""
    who, thread_id = entrance.who(), ordering.conversation(conversation_id)
    items = given.items(entrance.body(CreateItems).items, "items")
    try:
        rows = conversing.append(who.user_id, thread_id, _given(items))
    except NotFound:
        _missing(conversation_id)
    except InvalidField as error:
        raise _invalid(items, error) from None
    return creating.sent(listing.listed([item for row in rows for item in entries.items(row)]))


@routes.get("/conversations/<conversation_id>/items/<item_id>")
def read_item(conversation_id: str, item_id: str) -> Response:
    """One item."""
    wanted = entrance.query(Page)
    return creating.sent(_item(_rows(conversation_id, contents=wanted.contents), item_id)[1])


@routes.delete("/conversations/<conversation_id>/items/<item_id>")
def delete_item(conversation_id: str, item_id: str) -> Response:
    """Take an item out of the conversation; one of a reply goes with the whole reply."""
    who = entrance.who()
    row, _ = _item(_rows(conversation_id), item_id)
    return creating.sent(_shown(conversing.remove(who.user_id, row.message.thread_id, row.message.id)))


def _thread(conversation_id: str) -> ThreadObject:
    try:
        return threads.get(entrance.who().user_id, ordering.conversation(conversation_id))
    except NotFound:
        _missing(conversation_id)


def _rows(conversation_id: str, *, contents: bool = False) -> list[Entry]:
    try:
        thread_id = ordering.conversation(conversation_id)
        return conversing.entries(entrance.who().user_id, thread_id, contents=contents)
    except NotFound:
        _missing(conversation_id)


def _item(rows: list[Entry], item_id: str) -> tuple[Entry, Item]:
    """An item and its row. Raises Complaint."""
    for row in rows:
        if entries.holds(row, item_id):
            for item in entries.items(row):
                if item["id"] == item_id:
                    return row, item
    raise Complaint(f"Item with id '{item_id[:100]}' not found.", status=404, code="not_found")


def _given(items: tuple[tuple[str, Given], ...]) -> list[Given]:
    return [item for _, item in items]


def _invalid(items: tuple[tuple[str, Given], ...], error: InvalidField) -> Complaint:
    param = ordering.param(tuple(place for place, _ in items), error.field, {"items": "items"})
    return Complaint(f"Invalid '{param}': {error}", param=param, code="invalid_value")


def _kept(thread: ThreadObject) -> Answer:
    return Answer(200, None, json.dumps(_shown(thread), ensure_ascii=False).encode())


def _shown(thread: ThreadObject) -> dict[str, Any]:
    """As OpenAI's SDK reads it."""
    return {
        "id": identifiers.spell("conv", thread.id),
        "object": "conversation",
        "created_at": objects.moment(thread.created_at),
        "metadata": thread.metadata,
    }


def _missing(conversation_id: str) -> NoReturn:
    raise ordering.no_conversation(conversation_id) from None
