"""A model call as a request for Anthropic's Messages."""

from __future__ import annotations

import json
import re
from itertools import groupby
from operator import itemgetter
from typing import Any

from app.llm.types import ModelRequest, Named, Part, ToolSpec, Turn

# From its fifth generation on Claude thinks before it answers, and by default says nothing meanwhile: minutes that
# look like a dead connection. Asked for, it sends a summary.
THINKS_SILENTLY = re.compile(r"claude-[a-z]+-(?:[5-9]|\d\d)(?!\d)")


def body(request: ModelRequest, max_tokens: int) -> dict[str, Any]:
    """The body; without temperature and top_p, which the API refuses."""
    asked: dict[str, Any] = {
        "model": request.model,
        "max_tokens": max_tokens,
        "messages": _messages(request.turns),
        "stream": True,
    }
    if system := _system(request):
        asked["system"] = system
    if request.stop:
        asked["stop_sequences"] = list(request.stop)
    if request.json_format is not None and request.json_format.schema is not None:
        asked["output_config"] = {"format": {"type": "json_schema", "schema": dict(request.json_format.schema)}}
    if THINKS_SILENTLY.match(request.model):
        asked["thinking"] = _thinking(request)
    return asked | _of_tools(request)


def _thinking(request: ModelRequest) -> dict[str, Any]:
    """Who must call a tool cannot think first: the API refuses the two together."""
    if request.tools and request.tool_choice not in {None, "auto", "none"}:
        return {"type": "disabled"}
    return {"type": "adaptive", "display": "summarized"}


def _of_tools(request: ModelRequest) -> dict[str, Any]:
    """The tools and how they may be called. The API knows calls in the history only of tools that it is told of."""
    if request.tools:
        choice = _choice(request)
        return {"tools": [_tool(spec) for spec in request.tools], **({"tool_choice": choice} if choice else {})}
    called = dict.fromkeys(call.name for turn in request.turns for call in turn.tool_calls)
    if not called:
        return {}
    known = [_tool(ToolSpec(name, "No longer offered.", {"type": "object"})) for name in called]
    return {"tools": known, "tool_choice": {"type": "none"}}


def _choice(request: ModelRequest) -> dict[str, Any]:
    """The tool_choice; empty where it is left to the API."""
    match request.tool_choice:
        case "none":
            return {"type": "none"}
        case "required":
            choice: dict[str, Any] = {"type": "any"}
        case Named(name):
            choice = {"type": "tool", "name": name}
        case _:
            choice = {"type": "auto"}
    if request.parallel_tool_calls is not None:
        return choice | {"disable_parallel_tool_use": not request.parallel_tool_calls}
    return choice if request.tool_choice is not None else {}


def _system(request: ModelRequest) -> str:
    """Every instruction: Messages has no system turns, only one text beside them."""
    turns = (turn.content for turn in request.turns if turn.role == "system")
    return "\n\n".join(text for text in (request.system, *turns) if text)


def _messages(turns: tuple[Turn, ...]) -> list[dict[str, Any]]:
    """The history, neighbours of one role joined, beginning with the user; a tool's result counts as the user's.

    The API wants results right behind their calls, and app/chat/history.py puts them there.
    """
    blocks = [(_speaker(turn), block) for turn in turns if turn.role != "system" for block in _blocks(turn)]
    grouped = groupby(blocks, key=itemgetter(0))
    messages: list[dict[str, Any]] = [{"role": role, "content": [b for _, b in group]} for role, group in grouped]
    if not messages or messages[0]["role"] == "assistant":
        messages.insert(0, {"role": "user", "content": "(Earlier messages are left out.)" if messages else "(Begin.)"})
    return messages


def _speaker(turn: Turn) -> str:
    return "assistant" if turn.role == "assistant" else "user"


def _blocks(turn: Turn) -> list[dict[str, Any]]:
    """A turn as content blocks; an empty text is none, because the API refuses it."""
    if turn.role == "tool":
        return [{"type": "tool_result", "tool_use_id": turn.tool_call_id, "content": turn.content}]
    text = [{"type": "text", "text": turn.content}] if turn.content.strip() else []
    return [
        *(_part(part) for part in turn.parts),
        *text,
        *(
            {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
            for call in turn.tool_calls
        ),
    ]


def _part(part: Part) -> dict[str, Any]:
    source = {"type": "base64", "media_type": part.media_type, "data": part.base64}
    if part.is_image:
        return {"type": "image", "source": source}
    return {"type": "document", "source": source, "title": part.name}


def _tool(spec: ToolSpec) -> dict[str, Any]:
    tool = {"name": spec.name, "description": spec.description, "input_schema": dict(spec.parameters)}
    return tool | {"strict": True} if spec.strict else tool
