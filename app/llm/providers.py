"""Who answers for a model id."""

from __future__ import annotations

from app.config import Settings
from app.llm.anthropic import Anthropic
from app.llm.catalog import Model, find
from app.llm.endpoint import endpoint_of
from app.llm.local import Local
from app.llm.openai_compatible import OpenAICompatible
from app.llm.scripted import Scripted
from app.llm.types import Provider


def resolve(settings: Settings, model_id: str) -> tuple[Provider, Model]:
    """The provider of `model_id` and what is known of the model; raises ModelUnavailable as `catalog.find` does."""
    model = find(settings, model_id)
    return _provider(settings, model.provider), model


def _provider(settings: Settings, name: str) -> Provider:
    match name:
        case "anthropic":
            return Anthropic(endpoint_of(settings, name), settings.max_output_tokens)
        case "local":
            return Local(endpoint_of(settings, name))
        case "scripted":
            return Scripted()
    return OpenAICompatible(endpoint_of(settings, name))
