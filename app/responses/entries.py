"""Rows as items: what was put in, and what replies have brought."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from app.chat import numbered
from app.chat.items import Entry
from app.responses import identifiers, objects, output
from app.stream.output import Of

Item = dict[str, Any]
# Replies have few items: by this many places an id is recognised without reading the reply.
_PLACES = 64


def items(entry: Entry) -> list[Item]:
    """The items of one row, in order: of a reply those of its output so far."""
    return _READERS[entry.message.role](entry)


def holds(entry: Entry, item_id: str) -> bool:
    """Whether an item with this id is one of the row's."""
    message = entry.message
    if message.role == "tool":
        return item_id == identifiers.spell("fco", message.id)
    calls = {identifiers.of_call(call.id, of) for call in entry.calls for of in (Of.FUNCTION, Of.TOOL)}
    if item_id in calls or message.job_id is None:
        return item_id in calls or item_id == identifiers.spell("msg", message.id)
    places = (identifiers.at_place(message.id, index, of) for index in range(_PLACES) for of in (Of.TEXT, Of.REASONING))
    return item_id in places


def _put_in(entry: Entry) -> list[Item]:
    """A user's or a system's message."""
    message = entry.message
    parts: list[Item] = [{"type": "input_text", "text": message.content}] if message.content else []
    parts += [_attached(one, entry.contents) for one in message.attachments]
    return [_message(entry, parts)]


def _answered(entry: Entry) -> list[Item]:
    """What a tool of the caller's answered."""
    message = entry.message
    return [
        {
            "id": identifiers.spell("fco", message.id),
            "type": "function_call_output",
            "call_id": entry.call_id,
            "output": message.content,
            "status": "completed",
        }
    ]


def _said(entry: Entry) -> list[Item]:
    """A reply, or an assistant's message that was put in, with the calls that it made."""
    message = entry.message
    if message.job_id is not None:
        return list(objects.whole(numbered.read(message.user_id, message.id))["output"])
    found = [_message(entry, [output.part(Of.TEXT, message.content)])] if message.content else []
    return found + [output.function_call(identifiers.of_call(call.id, Of.FUNCTION), call) for call in entry.calls]


_READERS: Mapping[str, Callable[[Entry], list[Item]]] = {
    "user": _put_in,
    "system": _put_in,
    "tool": _answered,
    "assistant": _said,
}


def _message(entry: Entry, parts: list[Item]) -> Item:
    message = entry.message
    id_ = identifiers.spell("msg", message.id)
    return {"id": id_, "type": "message", "role": message.role, "status": "completed", "content": parts}


def _attached(shown: Mapping[str, Any], contents: Mapping[UUID, bytes]) -> Item:
    """An image or a file; with its content where that was asked for."""
    content = contents.get(UUID(shown["id"]))
    url = f"data:{shown['media_type']};base64,{b64encode(content).decode()}" if content is not None else None
    if shown["type"] == "image":
        return {"type": "input_image", "detail": "auto", "image_url": url, "file_id": None}
    return {"type": "input_file", "filename": shown["name"], "file_data": url, "file_id": None}
