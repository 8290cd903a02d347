"""The kinds of values that requests are made of."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator

from app.extensions import settings
from app.text import clean, clean_all

MAX_METADATA_BYTES = 16_000


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if len(repr(value)) > MAX_METADATA_BYTES:
        raise ValueError(f"must be at most {MAX_METADATA_BYTES} characters as JSON")
    return value


def _spoken(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty or only white space")
    return value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be printable characters")
    return value


Text = Annotated[str, AfterValidator(clean)]
SpokenText = Annotated[str, AfterValidator(clean), AfterValidator(_spoken)]
Title = Annotated[str, AfterValidator(clean), AfterValidator(_spoken), StringConstraints(max_length=200)]
Instructions = Annotated[str, AfterValidator(clean), StringConstraints(max_length=20_000)]
ModelId = Annotated[str, AfterValidator(clean), StringConstraints(max_length=200)]
Metadata = Annotated[dict[str, Any], AfterValidator(clean_all), AfterValidator(_small)]
# Strict: else true would be 1, and "0.5" a number.
Temperature = Annotated[float, Field(strict=True, ge=0, le=2, allow_inf_nan=False)]
OutputTokens = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
# Names of tools, or `server__*` for all of a server's. An empty list means none.
ToolNames = Annotated[
    list[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_*-]{1,80}$")]], Field(strict=True, max_length=50)
]
RepeatKey = Annotated[str, AfterValidator(_printable), StringConstraints(min_length=1, max_length=255)]
ContextTokens = Annotated[int, Field(strict=True, ge=256, le=10_000_000)]


def within_limit(value: str) -> str:
    """`value`, unless it is longer than what a message may be. Raises ValueError."""
    limit = settings().max_content_chars
    if len(value) > limit:
        raise ValueError(f"must be at most {limit} characters, has {len(value)}")
    return value


class Body(BaseModel):
    """A request's body: unknown members are refused by name, so that a misspelt one is not silently lost."""

    model_config = ConfigDict(extra="forbid", strict=False)


class Spoken(Body):
    """A request that carries what a user writes."""

    content: SpokenText

    @field_validator("content")
    @classmethod
    def _within_limit(cls, value: str) -> str:
        return within_limit(value)


class Asked(BaseModel):
    """A request's query or headers. Its schema, for which flask-openapi asks at each request, is made once."""

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As pydantic's; what is returned without arguments is shared and must not be changed."""
        return super().model_json_schema(*args, **kwargs) if args or kwargs else _schema(cls)


@cache
def _schema(of: type[Asked]) -> dict[str, Any]:
    return super(Asked, of).model_json_schema()


class Repeatable(Asked):
    """The headers of a request that may be sent again."""

    idempotency_key: RepeatKey | None = Field(
        None,
        alias="Idempotency-Key",
        description="The same key with the same body gets the first answer again, and nothing is made twice.",
    )


class Listing(Asked):
    """The query of a list."""

    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=500)


class ThreadPath(BaseModel):
    """The path of something of a thread."""

    thread_id: UUID


class MessagePath(BaseModel):
    """The path of something of a message."""

    message_id: UUID


class Chosen(Body):
    """Parameters of replies, as preferences and thread settings have them; null falls back to the next level."""

    model: ModelId | None = None
    instructions: Instructions | None = None
    temperature: Temperature | None = None
    max_output_tokens: OutputTokens | None = None
    context_tokens: ContextTokens | None = None
    tools: ToolNames | None = None
