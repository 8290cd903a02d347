"""/api/messages/{id}/input: answers to what a reply asks of a person."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from flask import Response
from pydantic import AfterValidator, Field, StrictBool, StringConstraints, field_validator

from app.api.answers import respond
from app.api.blueprint import group
from app.api.fields import Body, MessagePath, SpokenText, within_limit
from app.auth import door
from app.chat import answering
from app.chat.answering import Decision
from app.chat.objects import MessageObject
from app.text import clean, clean_all

routes = group("actions", "Questions and approvals that replies wait for.")


class DecisionBody(Body):
    """Yes or no to one call: `arguments` replace the model's own, `reason` is told to the model."""

    id: UUID
    approve: StrictBool
    arguments: Annotated[dict[str, Any], AfterValidator(clean_all)] | None = None
    reason: Annotated[str, AfterValidator(clean), StringConstraints(max_length=2_000)] | None = None


class Input(Body):
    """An answer to one action: `content` to a question, `decisions` to an approval."""

    action_id: UUID
    content: SpokenText | None = None
    decisions: Annotated[list[DecisionBody], Field(max_length=200)] | None = None

    @field_validator("content")
    @classmethod
    def _within_limit(cls, value: str | None) -> str | None:
        return within_limit(value) if value is not None else None


@routes.post("/messages/<uuid:message_id>/input", summary="Answer a reply", responses={202: MessageObject})
def answer_message(path: MessagePath, body: Input) -> Response:
    """Give a reply what it asks for; it then goes on. Of several answers the first counts."""
    decisions = [Decision(**each.model_dump()) for each in body.decisions] if body.decisions is not None else None
    user_id = door.who().user_id
    return respond(answering.answer(user_id, path.message_id, body.action_id, body.content, decisions), 202)
