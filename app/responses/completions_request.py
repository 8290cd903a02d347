"""What POST /v1/chat/completions understands, as the reply that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.chat.items import Given
from app.responses.complaints import unsupported
from app.responses.completions_messages import Lenient, Message, Short
from app.responses.parameters import JsonSchema, Metadata, Plain
from app.responses.tools import Offer, offer

# Taken and left alone: they tell OpenAI's own machinery whom to bill, what to cache and how to hurry.
HARMLESS = frozenset(
    {
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "safety_identifier",
        "seed",
        "service_tier",
        "user",
        "verbosity",
    }
)
# What would change the answer, which only these values leave as it is.
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": (),
    "functions": (),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "moderation": (),
    "n": (1,),
    "presence_penalty": (0,),
    "top_logprobs": (0,),
    "web_search_options": (),
}


class FunctionTool(Lenient):
    """A function that the model may call and the asker executes."""

    type: Literal["function"]
    function: dict[str, Any]


class SchemaFormat(Lenient):
    """JSON that keeps to a schema."""

    type: Literal["json_schema"]
    json_schema: dict[str, Any]


class StreamOptions(Lenient):
    """How to stream."""

    include_usage: bool | None = None


def _in_list(stop: Any) -> Any:
    return [stop] if isinstance(stop, str) else stop


class Body(BaseModel):
    """The request, without what is harmless or neutral. A field that is not known is refused by its name."""

    model_config = ConfigDict(extra="forbid")

    messages: Annotated[list[Message], Field(min_length=1)]
    model: Short
    max_completion_tokens: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    max_tokens: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    metadata: Metadata | None = None
    parallel_tool_calls: bool | None = None
    response_format: Annotated[Plain | SchemaFormat, Field(discriminator="type")] | None = None
    stop: Annotated[list[Short], Field(max_length=4), BeforeValidator(_in_list)] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(strict=True, ge=0, le=2, allow_inf_nan=False)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    tools: list[FunctionTool] | None = None
    top_p: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _meant(cls, body: dict[str, Any]) -> dict[str, Any]:
        """Without what changes nothing. Raises Complaint for what would change the answer and cannot be done."""
        for name, neutral in NEUTRAL.items():
            if body.get(name) is not None and body[name] not in neutral:
                raise unsupported(name, _INSTEAD.get(name, "leave it out."))
        return {name: value for name, value in body.items() if name not in HARMLESS and name not in NEUTRAL}

    @property
    def with_usage(self) -> bool:
        """Whether the stream shall end with what it took."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    def items(self) -> tuple[Given, ...]:
        """The messages, each as one item. Raises InvalidField."""
        return tuple(message.given(f"messages.{at}") for at, message in enumerate(self.messages))

    def parameters(self) -> dict[str, Any]:
        """What the reply is to be written with. It is offered none of our own tools: their calls could not be shown.

        Raises Complaint or ValidationError.
        """
        offered = self._offer()
        wanted = {
            "model": self.model,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_output_tokens": self.max_completion_tokens or self.max_tokens,
            "stop": self.stop,
            "functions": [function.model_dump() for function in offered.functions] or None,
            "tool_choice": offered.choice if offered.choice != "auto" else None,
            "parallel_tool_calls": self.parallel_tool_calls,
            "text_format": self._format(),
        }
        return {name: value for name, value in wanted.items() if value is not None} | {"tools": [], "background": False}

    def _offer(self) -> Offer:
        return offer([_flat(tool.model_dump()) for tool in self.tools or ()], _choice(self.tool_choice))

    def _format(self) -> dict[str, Any] | None:
        format_ = self.response_format
        if isinstance(format_, SchemaFormat):
            return JsonSchema.model_validate(_flat(format_.model_dump())).public()
        return format_.public() if format_ is not None and format_.type != "text" else None


_INSTEAD = {
    "functions": "use tools.",
    "function_call": "use tool_choice.",
    "n": "one reply is written for each request; leave it out or send 1.",
}


def _flat(nested: dict[str, Any]) -> dict[str, Any]:
    """`{type: "function", function: {…}}` as the Responses API writes it: the members beside the type."""
    inner = nested.get(str(nested.get("type")))
    return {**inner, "type": nested["type"]} if isinstance(inner, dict) else nested


def _choice(choice: Any) -> Any:
    """The same for a choice of tools, and for the tools it is made among."""
    if not isinstance(choice, dict):
        return choice
    flat = _flat(choice)
    among = flat.get("tools")
    listed = [_flat(one) if isinstance(one, dict) else one for one in among] if isinstance(among, list) else among
    return flat | ({"tools": listed} if "tools" in flat else {})
