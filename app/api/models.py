"""/api/models: which models can be asked."""

from __future__ import annotations

from flask import Response
from pydantic import BaseModel, ConfigDict

from app.api.answers import listing
from app.api.blueprint import group
from app.auth import door
from app.chat.paging import Page
from app.extensions import settings
from app.llm import catalog

routes = group("models", "Language models.")


class ModelObject(BaseModel):
    """One model; `reason` says what to set where it is not available. Sizes are in tokens."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    provider: str
    name: str
    label: str
    context_tokens: int
    max_output_tokens: int
    available: bool
    reason: str | None
    tiny: bool


class ModelList(BaseModel):
    """All models worth choosing from."""

    data: list[ModelObject]
    next_cursor: str | None


@routes.get("/models", summary="List models", responses={200: ModelList})
def list_models() -> Response:
    """What can be chosen, and what would have to be set for the rest. Any other name of a provider works too."""
    door.who()
    found = [ModelObject.model_validate(model) for model in catalog.models(settings())]
    return listing(Page(found, None))
