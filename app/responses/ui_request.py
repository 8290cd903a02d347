"""What `useChat` of the AI SDK sends, as items, and where in its chat they belong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.chat.attaching import Attached, attachment
from app.chat.items import Given, GivenCall
from app.extensions import settings
from app.ids import parse_id

Short = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_ENDED = {"output-available", "output-error"}


class UIMessage(BaseModel):
    """One message as a page holds it; parts that say nothing to a model are left alone."""

    model_config = ConfigDict(extra="ignore")

    id: str
    role: Literal["user", "assistant", "system"]
    parts: list[dict[str, Any]]

    @property
    def reply_id(self) -> UUID | None:
        """The reply that this message shows, if we wrote it."""
        return parse_id(self.id) if self.role == "assistant" else None

    @property
    def text(self) -> str:
        """What it says."""
        return "\n".join(str(part.get("text", "")) for part in self.parts if part.get("type") == "text")

    @property
    def has_files(self) -> bool:
        """Whether it shows anything."""
        return any(part.get("type") == "file" for part in self.parts)

    @property
    def says_nothing(self) -> bool:
        """Whether there is nothing in it to answer."""
        return not self.has_files and not self.text.strip()

    def given(self, where: str) -> Iterator[Given]:
        """As items: an assistant's calls that were executed in the page come with what came of them.

        Raises InvalidField, naming the field below `where`.
        """
        calls = [part for part in self.parts if self.role == "assistant" and _is_call(part)]
        made = tuple(GivenCall(str(part["toolCallId"]), _name(part), json.dumps(part.get("input"))) for part in calls)
        yield Given(self.role, self.text, self._attached(where), made)
        for part in calls:
            yield Given("tool", _outcome(part), call_id=str(part["toolCallId"]))

    def _attached(self, where: str) -> tuple[Attached, ...]:
        shown = [(at, part) for at, part in enumerate(self.parts) if part.get("type") == "file"]
        return tuple(_file(f"{where}.parts.{at}.url", part) for at, part in shown) if self.role == "user" else ()


class Body(BaseModel):
    """The request: the chat's `id` and its `messages`, or only the newest `message`; further, what /api takes."""

    model_config = ConfigDict(extra="forbid")

    id: Short
    messages: list[UIMessage] = Field(default_factory=list)
    message: UIMessage | None = None
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    messageId: str | None = None  # noqa: N815  # as they write it
    model: Short | None = None
    instructions: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    temperature: Annotated[float, Field(strict=True, ge=0, le=2, allow_inf_nan=False)] | None = None
    max_output_tokens: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    tools: Annotated[list[Short], Field(max_length=50)] | None = None

    @model_validator(mode="after")
    def _asks(self) -> Body:
        if not self.said or self.said[-1].role != "user" or self.said[-1].says_nothing:
            raise ValueError("the last message must be a user's, and say something")
        limit = settings().max_content_chars
        if any(len(one.text) > limit for one in self.said):
            raise ValueError(f"no message may have more than {limit} characters")
        return self

    @property
    def said(self) -> list[UIMessage]:
        """The messages that were sent along, oldest first."""
        return self.messages if self.message is None else [self.message]

    @property
    def answered(self) -> int:
        """How many of them stand before what is asked now: up to the last one of a model."""
        return max((at + 1 for at, one in enumerate(self.said) if one.role == "assistant"), default=0)

    def items(self, begin: int) -> tuple[Given, ...]:
        """The messages from `begin` on. Raises InvalidField."""
        asked = list(enumerate(self.said))[begin:]
        return tuple(given for at, one in asked for given in one.given(f"messages.{at}"))

    def parameters(self) -> dict[str, Any]:
        """What the reply is to be written with."""
        chosen = {"model", "instructions", "temperature", "max_output_tokens", "tools"}
        return self.model_dump(include=chosen, exclude_none=True)


def _is_call(part: dict[str, Any]) -> bool:
    """A call that the page executed. Ours are told by the text alone: their rows stand with the reply."""
    kind = str(part.get("type"))
    is_tool = kind.startswith("tool-") or kind == "dynamic-tool"
    return is_tool and not part.get("providerExecuted") and part.get("state") in _ENDED and "toolCallId" in part


def _name(part: dict[str, Any]) -> str:
    return str(part.get("toolName") or str(part["type"]).partition("-")[2])


def _outcome(part: dict[str, Any]) -> str:
    if part["state"] == "output-error":
        return str(part.get("errorText"))
    output = part.get("output")
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


def _file(where: str, part: dict[str, Any]) -> Attached:
    kind: Literal["image", "file"] = "image" if str(part.get("mediaType")).startswith("image") else "file"
    name = part.get("filename")
    return attachment(where, kind, str(part.get("url")), str(name) if name else None)
