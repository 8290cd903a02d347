"""Input items as they come in, read into what the use cases take."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from app.chat.attaching import Attached, attachment
from app.chat.errors import InvalidField
from app.chat.items import Given, GivenCall
from app.extensions import settings
from app.responses import complaints
from app.responses.complaints import Complaint, unsupported

_MOST_ITEMS = 1_000
_CallId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Item(BaseModel):
    """Members that are not read here (id, status, phase, annotations) belong to items that were output before."""

    model_config = ConfigDict(strict=True)


class _Message(_Item):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Any]


class _Call(_Item):
    call_id: _CallId
    name: _Name
    arguments: str


class _Output(_Item):
    call_id: _CallId
    output: str | list[Any]


class _OurCall(_Item):
    id: _CallId
    name: _Name
    arguments: str
    output: str | None = None
    error: Any = None


class _TextPart(_Item):
    text: str


class _RefusalPart(_Item):
    refusal: str


class _ImagePart(_Item):
    image_url: str | None = None
    file_id: str | None = None


class _FilePart(_Item):
    file_data: str | None = None
    filename: Annotated[str, StringConstraints(max_length=255)] | None = None
    file_id: str | None = None
    file_url: str | None = None


def items(given: str | list[Any], param: str = "input") -> tuple[tuple[str, Given], ...]:
    """What `given` puts in, in order, each with its place there. Raises Complaint."""
    if isinstance(given, str):
        return ((param, Given("user", _spoken(given, param))),)
    if len(given) > _MOST_ITEMS:
        raise Complaint(f"'{param}' may have at most {_MOST_ITEMS} items.", param=param, code="invalid_value")
    places = [(f"{param}[{place}]", item) for place, item in enumerate(given)]
    return tuple((place, one) for place, item in places for one in _items(item, place))


def _items(item: Any, param: str) -> Iterator[Given]:
    if not isinstance(item, dict):
        raise Complaint(f"Invalid '{param}': must be an object.", param=param, code="invalid_type")
    type_ = item.get("type", "message" if "role" in item else None)
    read = _READERS.get(type_) if isinstance(type_, str) else None
    if read is None:
        raise unsupported(f"{param}.type", f"items may be {', '.join(_READERS)}; this is {str(type_)[:100]!r}.")
    try:
        yield from read(item, param)
    except ValidationError as error:
        raise complaints.invalid(error, param) from None
    except InvalidField as error:
        raise Complaint(f"Invalid '{error.field}': {error}", param=error.field, code="invalid_value") from None


def _message(item: Mapping[str, Any], param: str) -> Iterator[Given]:
    message = _Message.model_validate(item)
    role = "system" if message.role == "developer" else message.role
    if isinstance(message.content, str):
        yield Given(role, _spoken(message.content, f"{param}.content"))
        return
    parts = [_part(part, f"{param}.content[{place}]") for place, part in enumerate(message.content)]
    text = "\n".join(part for part in parts if isinstance(part, str))
    attached = tuple(part for part in parts if not isinstance(part, str))
    if attached and role != "user":
        raise unsupported(f"{param}.content", "images and files may come with a user's message only.")
    yield Given(role, text if attached else _spoken(text, f"{param}.content"), attached)


def _call(item: Mapping[str, Any], param: str) -> Iterator[Given]:
    call = _Call.model_validate(item)
    _object(call.arguments, f"{param}.arguments")
    yield Given("assistant", calls=(GivenCall(call.call_id, call.name, call.arguments),))


def _output(item: Mapping[str, Any], param: str) -> Iterator[Given]:
    output = _Output.model_validate(item)
    parts = [output.output] if isinstance(output.output, str) else _texts(output.output, f"{param}.output")
    yield Given("tool", _bounded("\n".join(parts), f"{param}.output"), call_id=output.call_id)


def _our_call(item: Mapping[str, Any], param: str) -> Iterator[Given]:
    """A call that we made before and that now comes back: to the model it is a call and its result."""
    call = _OurCall.model_validate(item)
    _object(call.arguments, f"{param}.arguments")
    yield Given("assistant", calls=(GivenCall(call.id, call.name, call.arguments),))
    failed = json.dumps(call.error, ensure_ascii=False) if call.error is not None else "No result."
    yield Given("tool", _bounded(call.output if call.output is not None else failed, param), call_id=call.id)


def _reasoning(_item: Mapping[str, Any], _param: str) -> Iterator[Given]:
    """Reasoning belongs to the response it was made for: no other model reads it."""
    return iter(())


_READERS: dict[str, Callable[[Mapping[str, Any], str], Iterator[Given]]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
    "mcp_call": _our_call,
    "reasoning": _reasoning,
}


def _part(part: Any, param: str) -> str | Attached:
    type_ = part.get("type") if isinstance(part, dict) else None
    read = _PARTS.get(type_) if isinstance(type_, str) else None
    if read is None:
        raise unsupported(f"{param}.type", f"parts may be {', '.join(_PARTS)}; this is {str(type_)[:100]!r}.")
    try:
        return read(part, param)
    except ValidationError as error:
        raise complaints.invalid(error, param) from None


def _text(part: Mapping[str, Any], _param: str) -> str:
    return _TextPart.model_validate(part).text


def _refusal(part: Mapping[str, Any], _param: str) -> str:
    return _RefusalPart.model_validate(part).refusal


def _image(given: Mapping[str, Any], param: str) -> Attached:
    part = _ImagePart.model_validate(given)
    if part.file_id is not None or part.image_url is None:
        raise unsupported(f"{param}.file_id", "send the image itself, as a data: URL in image_url.")
    return attachment(f"{param}.image_url", "image", part.image_url)


def _file(given: Mapping[str, Any], param: str) -> Attached:
    part = _FilePart.model_validate(given)
    for name in ("file_id", "file_url"):
        if getattr(part, name) is not None:
            raise unsupported(f"{param}.{name}", "send the file itself, as file_data.")
    if part.file_data is None:
        raise Complaint(
            f"Missing required parameter: '{param}.file_data'.", param=param, code="missing_required_parameter"
        )
    return attachment(f"{param}.file_data", "file", part.file_data, part.filename)


_PARTS: Mapping[str, Callable[[Mapping[str, Any], str], str | Attached]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
}


def _texts(parts: list[Any], param: str) -> list[str]:
    texts = [_part(part, f"{param}[{place}]") for place, part in enumerate(parts)]
    if not all(isinstance(text, str) for text in texts):
        raise unsupported(param, "the output of a function may be text only.")
    return [text for text in texts if isinstance(text, str)]


def _object(arguments: str, param: str) -> None:
    try:
        is_object = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise Complaint(f"Invalid '{param}': must be the JSON text of an object.", param=param, code="invalid_value")


def _spoken(text: str, param: str) -> str:
    if not text.strip():
        raise Complaint(f"Invalid '{param}': must not be empty or only white space.", param=param, code="invalid_value")
    return _bounded(text, param)


def _bounded(text: str, param: str) -> str:
    limit = settings().max_content_chars
    if len(text) > limit:
        raise Complaint(
            f"Invalid '{param}': must be at most {limit} characters, has {len(text)}.",
            param=param,
            code="string_above_max_length",
        )
    return text
