"""The response object: a reply as OpenAI's SDK reads it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from app.chat import invocations
from app.chat.numbered import Told
from app.chat.objects import MessageObject, ReplyError
from app.chat.steps import Called
from app.models import TERMINAL, Status
from app.responses import identifiers, output

# Why a reply that ended by itself is no whole one. The last two are ours: OpenAI has no such ends.
_CUT = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
    "tool_limit": "max_tool_calls",
    "budget": "budget",
}
_ERRORS = {"provider_busy": "rate_limit_exceeded", "provider_refused": "invalid_prompt"}


def whole(told: Told, calls: Mapping[UUID, Called] | None = None) -> dict[str, Any]:
    """A response as far as it is told. `calls` are the rows of its tool calls, where they are known."""
    message = told.message
    if calls is None:
        has_calls = any(one.call_id is not None for one in told.output.output)
        calls = invocations.of_reply(message.id) if has_calls else {}
    items = [output.item(message.id, one, row_of(one.call_id, calls)) for one in told.output.output]
    return _response(message, told.parameters, status_of(message, told.parameters), items) | _end(message)


def begun(message: MessageObject, parameters: Mapping[str, Any], status: str) -> dict[str, Any]:
    """The same before anything was written, whatever has become of it since."""
    return _response(message, parameters, status, [])


def row_of(call_id: str | None, calls: Mapping[UUID, Called]) -> Called | None:
    """The row of an item that is a call."""
    return calls[UUID(call_id)] if call_id is not None else None


def first_status(parameters: Mapping[str, Any]) -> str:
    """What a response is when it is made."""
    return "queued" if is_background(parameters) else "in_progress"


def is_background(parameters: Mapping[str, Any]) -> bool:
    """Whether nobody waited for it on the connection that asked; so it is with everything posted elsewhere."""
    return bool(parameters.get("background", True))


def status_of(message: MessageObject, parameters: Mapping[str, Any]) -> str:
    """The status, in OpenAI's words."""
    if message.status is Status.PENDING:
        return first_status(parameters)
    if message.finish_reason == "content_filter":
        return "incomplete"
    if message.status is Status.COMPLETED:
        return "incomplete" if message.finish_reason in _CUT else "completed"
    return message.status.value if message.status in TERMINAL else "in_progress"


def moment(when: datetime) -> int:
    """A Unix time in seconds."""
    return int(when.timestamp())


def _response(
    message: MessageObject, parameters: Mapping[str, Any], status: str, items: list[dict[str, Any]]
) -> dict[str, Any]:
    echo = parameters.get("echo", {})
    stands = {
        "id": identifiers.spell("resp", message.id),
        "object": "response",
        "created_at": moment(message.created_at),
        "status": status,
        "background": is_background(parameters),
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": message.model_id,
        "output": items,
        "usage": None,
        "conversation": {"id": identifiers.spell("conv", message.thread_id)},
        "metadata": message.metadata,
    }
    return stands | _asked(parameters, echo) | _without_effect(echo)


def _asked(parameters: Mapping[str, Any], echo: Mapping[str, Any]) -> dict[str, Any]:
    """What it was asked for with; what was left open is shown as OpenAI's own default."""
    functions = [{"type": "function"} | function for function in parameters.get("functions", [])]
    return {
        "instructions": parameters.get("instructions"),
        "max_output_tokens": parameters.get("max_output_tokens"),
        "parallel_tool_calls": parameters.get("parallel_tool_calls", True),
        "previous_response_id": echo.get("previous_response_id"),
        "store": parameters.get("stored", True),
        "temperature": parameters.get("temperature", 1.0),
        "text": {"format": parameters.get("text_format", {"type": "text"})},
        "tool_choice": echo.get("tool_choice", "auto"),
        "tools": echo.get("tools", functions),
        "top_p": parameters.get("top_p", 1.0),
    }


def _without_effect(echo: Mapping[str, Any]) -> dict[str, Any]:
    """Members that every response has."""
    return {
        "frequency_penalty": 0.0,
        "max_tool_calls": None,
        "presence_penalty": 0.0,
        "prompt_cache_key": echo.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": echo.get("safety_identifier"),
        "service_tier": "default",
        "top_logprobs": 0,
        "truncation": "auto",
        "user": echo.get("user"),
    }


def _end(message: MessageObject) -> dict[str, Any]:
    """What only the end of a reply brings."""
    found: dict[str, Any] = {"usage": _usage(message)}
    if message.finish_reason in _CUT:
        return found | {"incomplete_details": {"reason": _CUT[message.finish_reason]}}
    if message.status is Status.COMPLETED and message.completed_at is not None:
        found["completed_at"] = moment(message.completed_at)
    if message.status is Status.FAILED and message.error is not None:
        found["error"] = _error(message.error)
    return found


def _usage(message: MessageObject) -> dict[str, Any] | None:
    if message.prompt_tokens is None or message.completion_tokens is None:
        return None
    return {
        "input_tokens": message.prompt_tokens,
        "input_tokens_details": {"cached_tokens": message.cached_tokens or 0, "cache_write_tokens": 0},
        "output_tokens": message.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": message.reasoning_tokens or 0},
        "total_tokens": message.prompt_tokens + message.completion_tokens,
    }


def _error(error: ReplyError) -> dict[str, Any]:
    """One of OpenAI's codes; ours is the type."""
    return {"code": _ERRORS.get(error.code, "server_error"), "message": error.message, "type": error.code}
