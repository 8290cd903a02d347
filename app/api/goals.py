"""/api/threads/{id}/solve: replies that work toward a goal."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from flask import Response, g
from pydantic import Field, StringConstraints, field_validator

from app.api.answers import accepted, once, sent
from app.api.blueprint import group
from app.api.fields import Body, ModelId, Repeatable, SpokenText, ThreadPath, ToolNames, within_limit
from app.auth import door, limits
from app.chat import goals, sending
from app.chat.objects import Sent
from app.chat.sending import Draft

routes = group("goals", "Replies that work toward a goal.")

_BUDGET = set(goals.USUAL)


class Goal(Body):
    """What to reach, and what it may take: model calls, seconds of work, cents as a decimal with up to six places."""

    goal: SpokenText
    max_steps: Annotated[int, Field(strict=True, ge=1, le=goals.MOST_STEPS)] = goals.USUAL["max_steps"]
    max_seconds: Annotated[float, Field(strict=True, ge=1, le=goals.MOST_SECONDS, allow_inf_nan=False)] = goals.USUAL[
        "max_seconds"
    ]
    budget_cents: Annotated[str, StringConstraints(pattern=goals.CENTS)] | None = None
    model: ModelId | None = None
    tools: ToolNames | None = None

    @field_validator("goal")
    @classmethod
    def _within_limit(cls, value: str) -> str:
        return within_limit(value)


@routes.post("/threads/<uuid:thread_id>/solve", summary="Work toward a goal", responses={202: Sent})
@limits.posts
def solve(header: Repeatable, path: ThreadPath, body: Goal) -> Response:
    """A reply that goes on in steps until the goal is reached or its budget is spent."""
    user_id = door.who().user_id
    repeatable = once(user_id, header)
    result = sending.send_message(
        user_id, draft(body, path.thread_id), request_id=g.get("request_id"), once=repeatable, render=accepted
    )
    return sent(accepted(result))


def draft(body: Goal, thread_id: UUID | None) -> Draft:
    """What is posted, in a use case's words."""
    parameters = body.model_dump(include={"model", "tools"}, exclude_none=True)
    return Draft(body.goal, thread_id, parameters=parameters | {"goal": body.model_dump(include=_BUDGET)})
