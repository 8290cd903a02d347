"""A model call as a request for Chat Completions."""

from __future__ import annotations

from typing import Any

from app.llm.types import JsonFormat, ModelRequest, Named, Part, ToolSpec, Turn


def body(request: ModelRequest) -> dict[str, Any]:
    """The body, but for the limit of its output, which servers name differently."""
    asked: dict[str, Any] = {
        "model": request.model,
        "messages": _messages(request),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return asked | _chosen(request) | _of_tools(request)


def _chosen(request: ModelRequest) -> dict[str, Any]:
    """How the reply is to be written, as far as anybody has said."""
    wanted = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop) or None,
        "response_format": _format(request.json_format) if request.json_format is not None else None,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _of_tools(request: ModelRequest) -> dict[str, Any]:
    """The tools and how they may be called; without tools nothing, since servers refuse the rest alone."""
    if not request.tools:
        return {}
    body: dict[str, Any] = {"tools": [_tool(spec) for spec in request.tools]}
    if isinstance(request.tool_choice, Named):
        body["tool_choice"] = {"type": "function", "function": {"name": request.tool_choice.name}}
    elif request.tool_choice is not None:
        body["tool_choice"] = request.tool_choice
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls
    return body


def _format(wanted: JsonFormat) -> dict[str, Any]:
    if wanted.schema is None:
        return {"type": "json_object"}
    also = {"description": wanted.description, "strict": wanted.strict}
    described = {name: value for name, value in also.items() if value is not None}
    return {"type": "json_schema", "json_schema": {"name": wanted.name, "schema": dict(wanted.schema), **described}}


def _messages(request: ModelRequest) -> list[dict[str, Any]]:
    system = [{"role": "system", "content": request.system}] if request.system else []
    return system + [_message(turn) for turn in request.turns]


def _message(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.parts:
        text = [{"type": "text", "text": turn.content}] if turn.content else []
        message["content"] = [*text, *(_part(part) for part in turn.parts)]
    if turn.tool_calls:
        message["content"] = turn.content or None
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in turn.tool_calls
        ]
    if turn.tool_call_id is not None:
        message["tool_call_id"] = turn.tool_call_id
    return message


def _part(part: Part) -> dict[str, Any]:
    if part.is_image:
        return {"type": "image_url", "image_url": {"url": part.url}}
    return {"type": "file", "file": {"filename": part.name, "file_data": part.url}}


def _tool(spec: ToolSpec) -> dict[str, Any]:
    function: dict[str, Any] = {"name": spec.name, "description": spec.description, "parameters": dict(spec.parameters)}
    if spec.strict is not None:
        function["strict"] = spec.strict
    return {"type": "function", "function": function}
