"""/api/keys: API keys."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from flask import Response
from pydantic import BaseModel, StringConstraints

from app.api.answers import empty, listing, respond
from app.api.blueprint import group
from app.api.fields import Body, Title
from app.auth import door, keys
from app.auth.keys import KeyObject
from app.chat.errors import NotFound
from app.chat.paging import Page

routes = group("keys", "API keys: kept hashed, shown once, revocable.")


class KeyList(BaseModel):
    """All keys of the user."""

    data: list[KeyObject]
    next_cursor: str | None


class NewKey(Body):
    """What to call it."""

    name: Annotated[Title, StringConstraints(max_length=100)]


class KeyPath(BaseModel):
    """Which key."""

    key_id: UUID


@routes.get("/keys", summary="List keys", responses={200: KeyList})
def list_keys() -> Response:
    """One's own keys, without their secrets."""
    return listing(Page(keys.listed(door.who().user_id), None))


@routes.post("/keys", summary="Make a key", responses={201: KeyObject})
def create_key(body: NewKey) -> Response:
    """A new key; its secret is shown only in this answer."""
    return respond(keys.create(door.who().user_id, body.name), 201)


@routes.delete("/keys/<uuid:key_id>", summary="Revoke a key", responses={204: None})
def delete_key(path: KeyPath) -> Response:
    """Revoke it; open streams that it opened close within seconds."""
    if not keys.revoke(door.who().user_id, path.key_id):
        raise NotFound("key")
    return empty()
