"""The body of a request for a response: what is followed, what is taken without effect, and what is refused by name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from app.extensions import settings
from app.responses import complaints
from app.responses.complaints import Complaint, unsupported
from app.responses.tools import Offer

# What would change the meaning of a request, with why we cannot follow it. Their neutral values are taken.
_REFUSED = {
    "prompt": "prompt templates are kept at OpenAI; send 'instructions' and 'input'.",
    "moderation": "there is no moderation model here.",
    "context_management": "there is no compaction; what does not fit a model's context is left out, oldest first.",
    "max_tool_calls": "the server limits the tool calls of a reply (MAX_TOOL_STEPS).",
    "access_programs": "there are no access programs here.",
    "top_logprobs": "log probabilities are not passed on.",
    "frequency_penalty": "it is not passed on to providers.",
    "presence_penalty": "it is not passed on to providers.",
}
_NEUTRAL: tuple[Any, ...] = (None, 0, [], {})
_LOGPROBS = "message.output_text.logprobs"


def _not_longer(value: str) -> str:
    limit = settings().max_content_chars
    if len(value) > limit:
        raise ValueError(f"must be at most {limit} characters, has {len(value)}")
    return value


Text = Annotated[str, AfterValidator(_not_longer)]
Id = Annotated[str, StringConstraints(max_length=100)]
Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
    Field(max_length=16),
]


class Strict(BaseModel):
    """A part of a body: unknown members are refused by name, `true` is no number and "1" neither."""

    model_config = ConfigDict(extra="forbid", strict=True)


class JsonSchema(Strict):
    """What an answer in JSON shall look like."""

    type: Literal["json_schema"]
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None
    description: str | None = None

    def public(self) -> dict[str, Any]:
        """As OpenAI shows it, and as providers are told of it."""
        return self.model_dump(by_alias=True)


class Plain(Strict):
    """Text, or any JSON object."""

    type: Literal["text", "json_object"]

    def public(self) -> dict[str, Any]:
        """As OpenAI shows it, and as providers are told of it."""
        return {"type": self.type}


class TextConfig(Strict):
    """How the text shall be; `verbosity` has no effect."""

    format: dict[str, Any] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None

    def read(self) -> JsonSchema | Plain | None:
        """The format, if it is another than text. Raises Complaint."""
        if self.format is None or self.format.get("type") == "text":
            return None
        shape = JsonSchema if self.format.get("type") == "json_schema" else Plain
        try:
            return shape.model_validate(self.format)
        except ValidationError as error:
            raise complaints.invalid(error, "text.format") from None


def _said(value: Any) -> Any:
    if isinstance(value, str):
        return _not_longer(value)
    if isinstance(value, list):
        return value
    raise ValueError("must be text or a list of items")


def _named(value: Any) -> str | None:
    """A conversation by its id, or by an object that has it."""
    id_ = value.get("id") if isinstance(value, dict) else value
    if id_ is None or isinstance(id_, str):
        return id_
    raise ValueError("must be the id of a conversation")


class Create(Strict):
    """A request for a response."""

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    input: Annotated[Any, AfterValidator(_said)]
    instructions: Text | None = None
    previous_response_id: Id | None = None
    conversation: Annotated[Id | None, BeforeValidator(_named)] = None
    background: bool | None = None
    stream: bool | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    parallel_tool_calls: bool | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    text: TextConfig | None = None

    # Taken without effect: none of these changes what is asked.
    include: list[str] | None = None
    reasoning: dict[str, Any] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    stream_options: dict[str, Any] | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    verbosity: str | None = None
    image: dict[str, Any] | None = None

    # Refused, unless neutral.
    prompt: Any = None
    moderation: Any = None
    context_management: Any = None
    max_tool_calls: Any = None
    access_programs: Any = None
    top_logprobs: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None

    @property
    def stored(self) -> bool:
        """Whether the response stays after its end, as it does unless it shall not."""
        return self.store is not False

    def check(self) -> None:
        """Refuse what cannot be followed. Raises Complaint."""
        for name, why in _REFUSED.items():
            if getattr(self, name) not in _NEUTRAL:
                raise unsupported(name, why)
        if self.include is not None and _LOGPROBS in self.include:
            raise unsupported("include", _REFUSED["top_logprobs"])
        if self.previous_response_id is not None and self.conversation is not None:
            raise Complaint("Give 'previous_response_id' or 'conversation', not both.", param="conversation")
        if self.background and not self.stored:
            raise Complaint("'background' needs 'store': what is not stored cannot be fetched.", param="store")

    def parameters(self, offer: Offer) -> dict[str, Any]:
        """What its reply's row keeps; what is only shown again stands under `echo`. Raises Complaint."""
        given = {
            "model": self.model,
            "instructions": self.instructions,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_output_tokens": self.max_output_tokens,
            "parallel_tool_calls": self.parallel_tool_calls,
            "functions": [function.model_dump() for function in offer.functions] or None,
            "tool_choice": offer.choice if offer.choice != "auto" else None,
            "text_format": self._format(),
        }
        kept: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        kept |= {"tools": offer.ours, "background": bool(self.background), "stored": self.stored}
        return kept | {"echo": self._echo(offer)}

    def _format(self) -> dict[str, Any] | None:
        format_ = self.text.read() if self.text is not None else None
        return format_.public() if format_ is not None else None

    def _echo(self, offer: Offer) -> dict[str, Any]:
        shown = {
            "previous_response_id": self.previous_response_id,
            "tool_choice": self.tool_choice,
            "tools": offer.shown if offer.ours or len(offer.shown) != len(offer.functions) else None,
            "user": self.user,
            "safety_identifier": self.safety_identifier,
            "prompt_cache_key": self.prompt_cache_key,
        }
        return {name: value for name, value in shown.items() if value is not None}
