"""The messages of POST /v1/chat/completions, as the items of a reply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app.chat.attaching import Attached, attachment
from app.chat.items import Given, GivenCall
from app.responses.parameters import Text

Short = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Lenient(BaseModel):
    """Part of a request; what it has besides is left alone: SDKs send messages back as they were received."""

    model_config = ConfigDict(extra="ignore")


class TextPart(Lenient):
    """Words."""

    type: Literal["text"]
    text: Text


class RefusalPart(Lenient):
    """Words with which a model refused."""

    type: Literal["refusal"]
    refusal: Text

    @property
    def text(self) -> str:
        """The words."""
        return self.refusal


class ImageUrl(Lenient):
    """Where an image is: inline."""

    url: str


class ImagePart(Lenient):
    """An image."""

    type: Literal["image_url"]
    image_url: ImageUrl

    def attached(self, where: str) -> Attached:
        """The image. Raises InvalidField, naming the field below `where`."""
        return attachment(f"{where}.image_url.url", "image", self.image_url.url)


class InlineFile(Lenient):
    """A file's content."""

    file_data: str
    filename: str | None = None


class FilePart(Lenient):
    """A file."""

    type: Literal["file"]
    file: InlineFile

    def attached(self, where: str) -> Attached:
        """The file. Raises InvalidField, naming the field below `where`."""
        return attachment(f"{where}.file.file_data", "file", self.file.file_data, self.file.filename)


def _in_parts(content: Any) -> Any:
    """Text is short for one part that is text; nothing is said in none."""
    if content is None:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


# First made a list: of a union with text, errors would be told for the text.
Words = Annotated[list[TextPart], BeforeValidator(_in_parts)]
Spoken = Annotated[list[Annotated[TextPart | RefusalPart, Field(discriminator="type")]], BeforeValidator(_in_parts)]
Shown = Annotated[
    list[Annotated[TextPart | ImagePart | FilePart, Field(discriminator="type")]], BeforeValidator(_in_parts)
]


class Function(Lenient):
    """The function that was called; `arguments` is JSON text."""

    name: Short
    arguments: str


class ToolCall(Lenient):
    """A call that a model made."""

    id: Short
    type: Literal["function"] = "function"
    function: Function


class SystemMessage(Lenient):
    """Instructions."""

    role: Literal["system", "developer"]
    content: Words

    def given(self, where: str) -> Given:
        """As an item."""
        return Given("system", _joined(self.content))


class UserMessage(Lenient):
    """What a user says and shows."""

    role: Literal["user"]
    content: Shown

    def given(self, where: str) -> Given:
        """As an item. Raises InvalidField."""
        words = [part for part in self.content if isinstance(part, TextPart)]
        shown = [
            part.attached(f"{where}.content.{at}")
            for at, part in enumerate(self.content)
            if not isinstance(part, TextPart)
        ]
        return Given("user", _joined(words), tuple(shown))


class AssistantMessage(Lenient):
    """What a model said and called."""

    role: Literal["assistant"]
    content: Spoken = Field(default_factory=list)
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None

    def given(self, where: str) -> Given:
        """As an item."""
        made = [GivenCall(one.id, one.function.name, one.function.arguments) for one in self.tool_calls or ()]
        return Given("assistant", _joined(self.content) or self.refusal or "", calls=tuple(made))


class ToolMessage(Lenient):
    """What came of a call."""

    role: Literal["tool"]
    content: Words
    tool_call_id: Short

    def given(self, where: str) -> Given:
        """As an item."""
        return Given("tool", _joined(self.content), call_id=self.tool_call_id)


Message = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


def _joined(parts: Sequence[TextPart | RefusalPart]) -> str:
    return "\n".join(part.text for part in parts)
