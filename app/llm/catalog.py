"""Which models there are, and which of them can be used; imports no SDK, so that the web process stays small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from app.config import Settings
from app.llm.endpoint import endpoint_of
from app.llm.errors import ModelUnavailable

# In the order in which a default is looked for.
PROVIDERS = ("openai", "anthropic", "deepseek", "local", "scripted")
LOCAL_NAME = "smollm2"
# The local weights were trained on 8,192; long before that the answers fall apart, and a prompt takes seconds to read.
LOCAL_CONTEXT_TOKENS = 2_048
LOCAL_OUTPUT_TOKENS = 512
JSON = frozenset({"json_object", "json_schema"})


@dataclass(frozen=True, slots=True)
class Model:
    """A model as it is listed; `reason` says what to set where it is not `available`, sizes are in tokens.

    What it can be given besides words: `tools`, `images`, `pdfs`, and the `formats` that a reply can be held to,
    "json_object" and "json_schema".
    """

    id: str
    provider: str
    name: str
    label: str
    context_tokens: int
    max_output_tokens: int
    available: bool = True
    reason: str | None = None
    tiny: bool = False
    tools: bool = True
    images: bool = True
    pdfs: bool = True
    formats: frozenset[str] = JSON


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a name; the sizes stand for a name that is not listed, and its provider corrects them."""

    name: str
    label: str
    context_tokens: int = 128_000
    max_output_tokens: int = 8_192


class _Abilities(NamedTuple):
    """What a provider's API can be given, whatever the model; a model that cannot is refused by its provider."""

    tools: bool = True
    images: bool = True
    pdfs: bool = True
    formats: frozenset[str] = JSON


ABILITIES: Mapping[str, _Abilities] = {
    "openai": _Abilities(),
    "anthropic": _Abilities(formats=frozenset({"json_schema"})),
    "deepseek": _Abilities(images=False, pdfs=False, formats=frozenset({"json_object"})),
    # The tiny model knows no tool calls and sees nothing; its server can hold it to a grammar, and so to JSON.
    "local": _Abilities(tools=False, images=False, pdfs=False),
    "scripted": _Abilities(),
}

# A short choice for the menu, the default of each provider first. Any other name of these providers works as well.
KNOWN: Mapping[str, tuple[_Known, ...]] = {
    "openai": (
        _Known("gpt-6.1-terra", "GPT-6.1 Terra", 1_050_000, 128_000),
        _Known("gpt-6.1-sol", "GPT-6.1 Sol", 1_050_000, 128_000),
        _Known("gpt-6-luna", "GPT-6 Luna", 1_050_000, 128_000),
    ),
    "anthropic": (
        _Known("claude-sonnet-5-5", "Claude Sonnet 5.5", 1_000_000, 128_000),
        _Known("claude-opus-5-5", "Claude Opus 5.5", 1_000_000, 128_000),
        _Known("claude-haiku-5-5", "Claude Haiku 5.5", 1_000_000, 128_000),
    ),
    "deepseek": (_Known("deepseek-flash", "DeepSeek V4.1 Flash", 1_000_000, 384_000),),
    "local": (_Known(LOCAL_NAME, "SmolLM2 135M, tiny, here", LOCAL_CONTEXT_TOKENS, LOCAL_OUTPUT_TOKENS),),
    "scripted": (_Known("echo", "Script: says what it is told", 128_000, 128_000),),
}


def models(settings: Settings) -> tuple[Model, ...]:
    """Every model worth listing: the short choice and what MODELS and DEFAULT_MODEL name, within the allow-list."""
    offered = [provider for provider in PROVIDERS if provider != "scripted" or settings.scripted]
    return tuple(model for provider in offered for model in _listed(settings, provider))


def find(settings: Settings, model_id: str) -> Model:
    """What is known of `model_id` ("provider/name", split at the first slash), which can be used.

    Any name of a known provider is passed on untouched. Raises ModelUnavailable, saying which variable to set, for an
    unknown provider, one without its key, and a model outside the allow-list.
    """
    if not _provider_of(model_id):
        raise ModelUnavailable(f"Unknown model {model_id[:100]!r}: write provider/name, where provider is {_choice()}.")
    if not _allowed(settings, model_id):
        raise ModelUnavailable(f"The model {model_id[:100]!r} is not among the MODELS that this server allows.")
    model = _model(settings, model_id)
    if model.reason is not None:
        raise ModelUnavailable(model.reason)
    return model


def default_model(settings: Settings) -> str:
    """DEFAULT_MODEL, or else the first model that can be used; raises ModelUnavailable where there is none."""
    if settings.default_model:
        return settings.default_model
    for model in models(settings):
        if model.available:
            return model.id
    raise ModelUnavailable(
        "No model can be used: set OPENAI_API_KEY, ANTHROPIC_API_KEY, DEEPSEEK_API_KEY or OPENAI_BASE_URL, or start "
        "the local model with `make run`."
    )


def _listed(settings: Settings, provider: str) -> Iterator[Model]:
    named = [model_id for model_id in (settings.default_model, *settings.models) if _provider_of(model_id) == provider]
    # Another server than OpenAI's has other models: once they are named, OpenAI's would only mislead.
    foreign = provider == "openai" and named and _is_compatible_server(settings)
    known = [] if foreign else [f"{provider}/{model.name}" for model in KNOWN[provider]]
    return (_model(settings, model_id) for model_id in dict.fromkeys([*known, *named]) if _allowed(settings, model_id))


def _model(settings: Settings, model_id: str) -> Model:
    provider, _, name = model_id.partition("/")
    known = next((model for model in KNOWN[provider] if model.name == name), _Known(name, name))
    missing = _missing(settings, provider)
    return Model(
        id=model_id,
        provider=provider,
        name=name,
        label=known.label,
        context_tokens=known.context_tokens,
        max_output_tokens=known.max_output_tokens,
        available=missing is None,
        reason=missing,
        tiny=provider == "local",
        **ABILITIES[provider]._asdict(),
    )


def _missing(settings: Settings, provider: str) -> str | None:
    """What to set before this provider can be used; None where nothing is missing."""
    if provider == "local":
        return None if settings.local_base_url else "The local model is off: use `make run`, or set LOCAL_BASE_URL."
    if provider == "scripted":
        return None if settings.scripted else "The scripted provider is off: set SCRIPTED=1 and restart."
    endpoint = endpoint_of(settings, provider)
    if endpoint.key or (provider == "openai" and _is_compatible_server(settings)):
        return None
    return f"{endpoint.label} has no key: set {endpoint.key_variable} and restart."


def _is_compatible_server(settings: Settings) -> bool:
    """Whether OPENAI_BASE_URL names another server than OpenAI's: those often need no key."""
    return settings.openai_base_url.rstrip("/") != str(Settings.model_fields["openai_base_url"].default)


def _provider_of(model_id: str) -> str:
    """The provider's name, or "" where the id has no known one or no name after it."""
    provider, _, name = model_id.partition("/")
    return provider if provider in PROVIDERS and name.strip() else ""


def _allowed(settings: Settings, model_id: str) -> bool:
    return not settings.models or model_id in settings.models


def _choice() -> str:
    return f"{', '.join(PROVIDERS[:-1])} or {PROVIDERS[-1]}"
