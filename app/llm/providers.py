"""Who answers for a model id."""

from __future__ import annotations

from importlib import import_module

from app.config import Settings
from app.llm.arrivals import arrivals
from app.llm.catalog import Model, find
from app.llm.endpoint import endpoint_of
from app.llm.local import Local
from app.llm.openai_compatible import OpenAICompatible
from app.llm.scripted import Scripted
from app.llm.types import Provider

# Its SDK takes 38 MB and a second of the start; nothing but a key for it makes this module needed.
_ANTHROPIC = "app.llm.anthropic"


def prepare(settings: Settings) -> None:
    """Load what the first reply of a provider with a key would otherwise wait for, and set the pace of reading."""
    arrivals().pause_seconds = settings.flush_ms / 1000
    if settings.anthropic_api_key is not None:
        import_module(_ANTHROPIC)


def resolve(settings: Settings, model_id: str) -> tuple[Provider, Model]:
    """The provider of `model_id` and what is known of the model; raises ModelUnavailable as `catalog.find` does."""
    model = find(settings, model_id)
    return _provider(settings, model.provider), model


def _provider(settings: Settings, name: str) -> Provider:
    match name:
        case "anthropic":
            anthropic: Provider = import_module(_ANTHROPIC).Anthropic(
                endpoint_of(settings, name), settings.max_output_tokens
            )
            return anthropic
        case "local":
            return Local(endpoint_of(settings, name))
        case "scripted":
            return Scripted()
    return OpenAICompatible(endpoint_of(settings, name))
