"""Arguments of a tool: their JSON Schema from a function's signature, and their validation in one short sentence."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails

from app.text import UncleanText, clean_all
from app.tools.context import ToolContext
from app.tools.errors import BadArguments

_MOST_PROBLEMS = 3
_LONGEST = 100_000


def model_of(function: Callable[..., object]) -> type[BaseModel]:
    """A model of `function`'s parameters, without the `context` it may take first. Raises TypeError for a nameless."""
    signature = inspect.signature(function, eval_str=True)
    fields: dict[str, Any] = {
        parameter.name: (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
        for parameter in signature.parameters.values()
        if parameter.annotation is not ToolContext
    }
    if inspect.Parameter.empty in (annotation for annotation, _ in fields.values()):
        raise TypeError(f"every parameter of {function.__name__} needs a type")
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)


def takes_context(function: Callable[..., object]) -> bool:
    """Whether its first parameter is a ToolContext."""
    first = next(iter(inspect.signature(function, eval_str=True).parameters.values()), None)
    return first is not None and first.annotation is ToolContext


def schema_of(model: type[BaseModel]) -> Mapping[str, Any]:
    """`model` as a JSON Schema object, without the titles that pydantic makes up."""
    schema: dict[str, Any] = untitled(model.model_json_schema())
    return schema


def untitled(schema: Any, *, names: bool = False) -> Any:
    """`schema` without titles; `names` where its keys are names of properties, which may be called title."""
    if isinstance(schema, list):
        return [untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value if key == "default" else untitled(value, names=not names and key in {"properties", "$defs"})
        for key, value in schema.items()
        if names or key != "title"
    }


def parsed(text: str) -> dict[str, Any]:
    """The JSON object that a model wrote as arguments; empty text is no arguments. Raises BadArguments."""
    if len(text) > _LONGEST:
        raise BadArguments(f"The arguments are longer than {_LONGEST:,} characters.")
    try:
        value = clean_all(json.loads(text.strip() or "{}", parse_constant=_refuse))
    except (ValueError, RecursionError) as error:
        raise BadArguments(f"The arguments are no clean JSON: {_reason(error)}.") from None
    if not isinstance(value, dict):
        raise BadArguments('The arguments must be one JSON object, such as {"name": "value"}.')
    return value


def checked(model: type[BaseModel], arguments: Mapping[str, Any]) -> BaseModel:
    """`arguments` as a `model`. Raises BadArguments that names each wrong field, at most three of them."""
    try:
        return model.model_validate(dict(arguments))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        sentences = [_sentence(problem, model) for problem in problems[:_MOST_PROBLEMS]]
        raise BadArguments(" ".join(sentences)) from None


def _sentence(problem: ErrorDetails, model: type[BaseModel]) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"The argument '{name}' is missing."
    if problem["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields) or "none"
        return f"The argument '{name[:64]}' is not known; known are: {known}."
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    return f"The argument '{name}' is wrong: {message[:1].lower()}{message[1:]}."


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    return f"it {error}" if isinstance(error, UncleanText) else "it has a number or a nesting beyond all bounds"


def _refuse(constant: str) -> NoReturn:
    raise UncleanText(f"holds {constant}, which is no JSON")
