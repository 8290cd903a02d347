"""/api/threads: conversations."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from flask import Response
from pydantic import BaseModel, Field, StrictBool, field_validator

from app.api.answers import answer, empty, listing, once, respond, sent
from app.api.blueprint import group
from app.api.fields import Body, Chosen, Listing, Metadata, Repeatable, ThreadPath, Title
from app.auth import door
from app.chat import threads
from app.chat.idempotency import Answer
from app.chat.objects import ThreadObject
from app.chat.threads import Order

routes = group("threads", "Conversations.")

T = TypeVar("T")


class NewThread(Body):
    """An empty thread."""

    title: Title | None = None
    metadata: Metadata = Field(default_factory=dict)
    settings: Chosen = Field(default_factory=Chosen)


class ThreadChange(Body):
    """What may be changed of a thread; what is not sent stays. Null takes a title or a setting away."""

    title: Title | None = None
    metadata: Metadata | None = None
    settings: Chosen | None = None
    archived: StrictBool | None = None
    active_message_id: UUID | None = None

    @field_validator("metadata", "settings", "archived", "active_message_id")
    @classmethod
    def _given(cls, value: T | None) -> T:
        if value is None:
            raise ValueError("must not be null; leave it out to keep what is there")
        return value


class ThreadListing(Listing):
    """Which threads, in which order."""

    status: str | None = Field(None, description="Only those whose newest active reply has it, or idle.")
    archived: bool = False
    order: Order = "last_activity"


class ThreadList(BaseModel):
    """A page of threads."""

    data: list[ThreadObject]
    next_cursor: str | None


@routes.get("/threads", summary="List threads", responses={200: ThreadList})
def list_threads(query: ThreadListing) -> Response:
    """One's own threads, newest first."""
    return listing(
        threads.page(
            door.who().user_id,
            limit=query.limit,
            cursor=query.cursor,
            order=query.order,
            archived=query.archived,
            status=query.status,
        )
    )


@routes.post("/threads", summary="Make a thread", responses={201: ThreadObject})
def create_thread(header: Repeatable, body: NewThread) -> Response:
    """An empty thread, to be posted to later."""
    user_id = door.who().user_id
    chosen = body.settings.model_dump(exclude_none=True)
    created = threads.create(
        user_id, title=body.title, metadata=body.metadata, settings=chosen, once=once(user_id, header), render=_created
    )
    return sent(_created(created))


@routes.get("/threads/<uuid:thread_id>", summary="Read a thread", responses={200: ThreadObject})
def read_thread(path: ThreadPath) -> Response:
    """One thread with its last message."""
    return respond(threads.get(door.who().user_id, path.thread_id))


@routes.patch("/threads/<uuid:thread_id>", summary="Change a thread", responses={200: ThreadObject})
def change_thread(path: ThreadPath, body: ThreadChange) -> Response:
    """Set what is sent, leave the rest."""
    return respond(threads.change(door.who().user_id, path.thread_id, body.model_dump(exclude_unset=True)))


@routes.delete("/threads/<uuid:thread_id>", summary="Delete a thread", responses={204: None})
def delete_thread(path: ThreadPath) -> Response:
    """Delete it; what runs in it is cancelled and its streams close."""
    threads.delete(door.who().user_id, path.thread_id)
    return empty()


def _created(thread: ThreadObject) -> Answer:
    return answer(thread, 201, f"/api/threads/{thread.id}")
