"""The items of a response's output, from what a reply's numbered events say of it and the rows of its calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from app.chat.steps import COMPLETED, Called
from app.responses import identifiers
from app.responses.tools import OURS
from app.stream.output import Item, Of


def item(reply_id: UUID, one: Item, call: Called | None) -> dict[str, Any]:
    """An item as it stands; `call` is the row of one that is a call."""
    if call is not None:
        return _CALLS[one.of](identifiers.of_call(call.id, one.of), call, one)
    shown = _added(identifiers.of_item(reply_id, one), one.of)
    shown["content"] = [part(one.of, one.text)]
    shown["status"] = _status(one)
    return shown


def added(reply_id: UUID, one: Item, call: Called | None) -> dict[str, Any]:
    """The item as it was begun: open, and empty."""
    if call is None:
        return _added(identifiers.of_item(reply_id, one), one.of)
    begun = Item(one.index, one.of, one.call_id)
    return _CALLS[one.of](identifiers.of_call(call.id, one.of), call, begun) | {"arguments": ""}


def part(of: Of, text: str) -> dict[str, Any]:
    """The one content part of a text or of reasoning."""
    if of is Of.REASONING:
        return {"type": "reasoning_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def function_call(id_: str, call: Called, *, status: str = "completed") -> dict[str, Any]:
    """A call that whoever asked executes."""
    return {
        "id": id_,
        "type": "function_call",
        "call_id": call.call_id,
        "name": call.name,
        "arguments": call.arguments,
        "status": status,
    }


def _added(id_: str, of: Of) -> dict[str, Any]:
    if of is Of.REASONING:
        return {"id": id_, "type": "reasoning", "summary": [], "content": [], "status": "in_progress"}
    return {"id": id_, "type": "message", "role": "assistant", "content": [], "status": "in_progress"}


def _function(id_: str, call: Called, one: Item) -> dict[str, Any]:
    return function_call(id_, call, status=_status(one))


def _ours(id_: str, call: Called, one: Item) -> dict[str, Any]:
    """A call that we execute: to its reader one of an MCP server, which has a label."""
    label, separator, name = call.name.partition("__")
    ended = one.complete is not None
    done = ended and call.status == COMPLETED
    return {
        "id": id_,
        "type": "mcp_call",
        "server_label": label if separator else OURS,
        "name": name if separator else call.name,
        "arguments": call.arguments,
        "output": call.result if done else None,
        "error": _failure(call) if ended and not done else None,
        "status": ("completed" if done else "failed") if ended else "in_progress",
        "approval_request_id": None,
    }


def _failure(call: Called) -> dict[str, Any]:
    return {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": call.told}]}


def _status(one: Item) -> str:
    return {None: "in_progress", True: "completed", False: "incomplete"}[one.complete]


_CALLS: Mapping[Of, Callable[[str, Called, Item], dict[str, Any]]] = {Of.FUNCTION: _function, Of.TOOL: _ours}
