"""/api/messages: posting, polling, following and cancelling."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from flask import Response, g, request
from pydantic import BaseModel, Field

from app.api.answers import accepted, empty, listing, once, origin, respond, sent
from app.api.blueprint import EVENTS, group
from app.api.fields import (
    Asked,
    Instructions,
    Listing,
    MessagePath,
    Metadata,
    ModelId,
    OutputTokens,
    Repeatable,
    Spoken,
    Temperature,
    ThreadPath,
    Title,
    ToolNames,
)
from app.auth import door, limits
from app.chat import branching, cancelling, following, reading, sending, withdrawing
from app.chat.busy import Busy
from app.chat.following import Ended
from app.chat.objects import MessageObject, Sent
from app.chat.sending import Draft
from app.models import TERMINAL
from app.stream import sse
from app.stream.hub import current_hub
from app.stream.streaming import Stream

routes = group("messages", "Post a message, then poll or follow its reply.")

_PARAMETERS = ("model", "instructions", "temperature", "max_output_tokens", "tools")
_LATEST_SECONDS = 30 * 86_400


class PostToThread(Spoken):
    """A message to post; parameters given here hold for its reply alone."""

    title: Title | None = None
    model: ModelId | None = None
    instructions: Instructions | None = None
    temperature: Temperature | None = None
    max_output_tokens: OutputTokens | None = None
    metadata: Metadata = Field(default_factory=dict)
    tools: ToolNames | None = None
    after_seconds: Annotated[float, Field(strict=True, ge=0, le=_LATEST_SECONDS, allow_inf_nan=False)] = Field(
        0, description="Seconds until the reply may begin."
    )
    busy: Busy = Field(
        "enqueue",
        description="What to do while earlier replies are unfinished: wait for them, refuse the message (409), cancel "
        "them and keep (interrupt) or leave (rollback) what they have written, or tell the running one (steer).",
    )


class PostMessage(PostToThread):
    """A message to post; without `thread_id` a thread is made."""

    thread_id: UUID | None = None


class Polling(Asked):
    """How to poll."""

    wait: float = Field(0, ge=0, le=60, allow_inf_nan=False, description="Seconds to wait for the reply's end.")


class Resuming(Asked):
    """Where to resume."""

    after: str | None = Field(None, description="The cursor after which to go on; Last-Event-ID says the same.")


class Reconnecting(Asked):
    """What a browser says when it reconnects by itself."""

    last_event_id: str | None = Field(None, alias="Last-Event-ID", description="The cursor after which to go on.")


class PathListing(Listing):
    """Which messages of a thread."""

    all: bool = Field(False, description="The whole tree, siblings included, instead of the active path.")


class MessageList(BaseModel):
    """A page of messages, oldest first."""

    data: list[MessageObject]
    next_cursor: str | None


@routes.post("/messages", summary="Post a message", responses={202: Sent})
@limits.posts
def create_message(header: Repeatable, body: PostMessage) -> Response:
    """Accept a message; the reply is written in the background and found at Location."""
    return _post(header, body, body.thread_id)


@routes.post("/threads/<uuid:thread_id>/messages", summary="Post a message to a thread", responses={202: Sent})
@limits.posts
def create_message_in_thread(header: Repeatable, path: ThreadPath, body: PostToThread) -> Response:
    """The same, to a given thread."""
    return _post(header, body, path.thread_id)


@routes.get("/threads/<uuid:thread_id>/messages", summary="List messages", responses={200: MessageList})
def list_messages(path: ThreadPath, query: PathListing) -> Response:
    """The active path or, with `all`, the whole tree; oldest first. A path's next page is the one before it."""
    read = reading.tree if query.all else reading.path
    return listing(read(door.who().user_id, path.thread_id, limit=query.limit, cursor=query.cursor))


@routes.get("/messages/<uuid:message_id>", summary="Read or poll a message", responses={200: MessageObject, 304: None})
def read_message(path: MessagePath, query: Polling) -> Response:
    """The message with its text so far; with `wait`, once its reply has ended or needs somebody."""
    who = door.who()
    message = reading.get(who.user_id, path.message_id)
    if query.wait and message.status not in TERMINAL:
        message = following.wait(current_hub(), who.user_id, who.credential, path.message_id, query.wait)
    response = respond(message)
    response.add_etag()
    response.make_conditional(request)
    return response


@routes.post(
    "/messages/<uuid:message_id>/cancel", summary="Cancel a reply", responses={200: MessageObject, 202: MessageObject}
)
def cancel_message(path: MessagePath) -> Response:
    """Stop writing and keep what is written; 202 while its worker has not confirmed. An ended reply stays as it is."""
    message = cancelling.cancel(door.who().user_id, path.message_id)
    return respond(message, 200 if message.status in TERMINAL else 202)


@routes.patch("/messages/<uuid:message_id>", summary="Edit a message", responses={202: Sent})
@limits.posts
def edit_message(header: Repeatable, path: MessagePath, body: Spoken) -> Response:
    """A user's message in other words, in a branch of its own, with a new reply.

    While nobody has begun to answer it, it is changed where it stands.
    """
    user_id = door.who().user_id
    return sent(accepted(branching.edit(user_id, path.message_id, body.content, **origin(user_id, header))))


@routes.delete("/messages/<uuid:message_id>", summary="Take a message back", responses={204: None})
def delete_message(path: MessagePath) -> Response:
    """Remove a message that nobody has begun to answer, with its reply; 409 once somebody has."""
    withdrawing.withdraw(door.who().user_id, path.message_id)
    return empty()


@routes.get("/messages/<uuid:message_id>/events", summary="Follow a reply", responses={200: EVENTS, 204: None})
def follow_message(header: Reconnecting, path: MessagePath, query: Resuming) -> Response:
    """Server-sent events of one reply, closed after its last; 204 for a reader that has that already."""
    who = door.who()
    found = following.reply(
        current_hub(), who.user_id, who.credential, path.message_id, header.last_event_id or query.after
    )
    if not isinstance(found, Ended):
        return Stream(found)
    return sse.response([found.last]) if found.last is not None else empty()


@routes.get("/threads/<uuid:thread_id>/events", summary="Follow a thread", responses={200: EVENTS})
def follow_thread(header: Reconnecting, path: ThreadPath, query: Resuming) -> Response:
    """Server-sent events of a thread, from a snapshot or a cursor on, until the reader leaves."""
    who = door.who()
    after = header.last_event_id or query.after
    return Stream(following.thread(current_hub(), who.user_id, who.credential, path.thread_id, after))


def draft(body: PostToThread, thread_id: UUID | None) -> Draft:
    """What is posted, in a use case's words."""
    given = body.model_dump(include=set(_PARAMETERS), exclude_none=True)
    return Draft(body.content, thread_id, body.title, given, body.metadata, body.busy, body.after_seconds)


def _post(header: Repeatable, body: PostToThread, thread_id: UUID | None) -> Response:
    user_id = door.who().user_id
    repeatable = once(user_id, header)
    result = sending.send_message(
        user_id, draft(body, thread_id), request_id=g.get("request_id"), once=repeatable, render=accepted
    )
    return sent(accepted(result))
