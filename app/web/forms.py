"""Forms as people send them: read and checked; what is wrong is said field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from flask import request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from app.extensions import settings
from app.text import clean


class Form(BaseModel):
    """A form's fields. Others are ignored: the CSRF token is one."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _spoken(content: str) -> str:
    limit = settings().max_content_chars
    if not content.strip():
        raise ValueError("must not be empty or only white space")
    if len(content) > limit:
        raise ValueError(f"must be at most {limit} characters, has {len(content)}")
    return content


Line = Annotated[str, AfterValidator(clean)]
# What somebody says to a model.
Words = Annotated[str, AfterValidator(clean), AfterValidator(_spoken)]

# For a field that may be left empty.
Left = BeforeValidator(lambda value: value if value and value.strip() else None)

T = TypeVar("T", bound=Form)

# In place of what Pydantic says of a text that was cleaned before it was measured.
_LENGTHS = {
    "too_short": "must have at least {min_length} characters, has {actual_length}",
    "too_long": "must have at most {max_length} characters, has {actual_length}",
}


class Refused(Exception):
    """A form cannot be accepted; `errors` has a sentence for each field that must change."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in errors.items()))
        self.errors = errors


def read(kind: type[T]) -> T:
    """The request's form. Raises Refused."""
    try:
        return kind.model_validate(request.form.to_dict())
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise Refused({str(item["loc"][0]): _said(item) for item in problems}) from None


def _said(problem: ErrorDetails) -> str:
    words = _LENGTHS.get(problem["type"])
    return words.format(**problem["ctx"]) if words else problem["msg"].removeprefix("Value error, ")
