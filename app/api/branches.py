"""/api/messages/{id}/regenerate and /continue: other replies to the same message."""

from __future__ import annotations

from typing import Any

from flask import Response
from pydantic import model_validator

from app.api.answers import accepted, origin, sent
from app.api.blueprint import group
from app.api.fields import (
    Body,
    Instructions,
    MessagePath,
    ModelId,
    OutputTokens,
    Repeatable,
    Temperature,
    ToolNames,
)
from app.auth import door, limits
from app.chat import branching
from app.chat.objects import Sent

routes = group("branches", "Other replies to the same message.", bodiless={"regenerate_message"})


class Regenerating(Body):
    """What shall be different this time; without a body nothing is."""

    model: ModelId | None = None
    instructions: Instructions | None = None
    temperature: Temperature | None = None
    max_output_tokens: OutputTokens | None = None
    tools: ToolNames | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing(cls, value: Any) -> Any:
        return {} if value is None else value


@routes.post("/messages/<uuid:message_id>/regenerate", summary="Regenerate a reply", responses={202: Sent})
@limits.posts
def regenerate_message(header: Repeatable, path: MessagePath, body: Regenerating) -> Response:
    """Another reply to the same message, beside the one that is there; it becomes the active one."""
    user_id, given = door.who().user_id, body.model_dump(exclude_none=True)
    return sent(accepted(branching.regenerate(user_id, path.message_id, given, **origin(user_id, header))))


@routes.post("/messages/<uuid:message_id>/continue", summary="Continue a reply", responses={202: Sent})
@limits.posts
def continue_message(header: Repeatable, path: MessagePath) -> Response:
    """A reply beside one that a limit has cut: it begins with that one's text and goes on."""
    user_id = door.who().user_id
    return sent(accepted(branching.proceed(user_id, path.message_id, **origin(user_id, header))))
