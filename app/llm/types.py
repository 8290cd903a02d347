"""The values that cross the border between a chat and a provider."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from app.llm.call import Call

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One function call a model asks for; `arguments` is the JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A function a model may call; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """The one tool that a model must call."""

    name: str


# Whether a model may call tools, must not, must call one, or must call this one.
ToolChoice = Literal["auto", "none", "required"] | Named


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """The reply is to be a JSON object and, where there is a `schema`, one that it allows."""

    schema: Mapping[str, Any] | None = None
    name: str = "reply"
    description: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What a turn shows besides words: an image or a PDF."""

    media_type: str
    content: bytes
    name: str

    @property
    def is_image(self) -> bool:
        """Whether it is an image."""
        return self.media_type.startswith("image/")

    @property
    def base64(self) -> str:
        """Its content as JSON can carry it."""
        return b64encode(self.content).decode("ascii")

    @property
    def url(self) -> str:
        """The whole of it as a `data:` URL."""
        return f"data:{self.media_type};base64,{self.base64}"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the history that a model is given."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One model call. `model` is the name without its provider; `system` is every instruction, already joined.

    What is None, or empty, is left to the provider.
    """

    model: str
    turns: tuple[Turn, ...]
    system: str = ""
    temperature: float | None = None
    max_output_tokens: int | None = None
    tools: tuple[ToolSpec, ...] = ()
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    json_format: JsonFormat | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text the model has just written."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """Visible reasoning the model has just written; never part of the reply's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them; the prompt's include the cached ones, the completion's the reasoning."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """The provider's last word; a stream that ends without it was cut."""

    reason: FinishReason
    usage: Usage | None = None
    tool_calls: tuple[ToolCall, ...] = field(default=())
    request_id: str | None = None


Delta = TextDelta | ReasoningDelta

Take = Callable[[Delta], None]
"""Takes what a model writes, piece by piece. It is called in a thread that reads for all calls, and must not wait."""


class Provider(Protocol):
    """A source of replies."""

    name: str

    def stream(self, request: ModelRequest, call: Call, take: Take) -> Finished:
        """Give `take` what the model writes; returns once all is said.

        Every socket it opens is attached to `call` before a request leaves, so that `call.cut()` from another
        thread ends a blocked read at once. Raises what `take` raises, which ends the call, and for whatever the
        provider or the network does `ProviderError` (app/llm/errors.py) and nothing else; never retries by itself.
        """
