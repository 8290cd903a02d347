"""Chat completions as OpenAI's SDK reads them: whole, and the pieces that chunks are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.chat.numbered import Told
from app.chat.objects import MessageObject
from app.chat.steps import Called
from app.models import Status
from app.responses.complaints import Complaint
from app.stream.output import Of

COMPLETION = "chat.completion"
CHUNK = "chat.completion.chunk"

_LIMITS = {"length": "length", "tool_limit": "length", "budget": "length", "content_filter": "content_filter"}

_STATUS = {"provider_refused": 400, "provider_busy": 429, "cancelled": 409}


class Failed(Complaint):
    """The reply has ended without an answer: the same request gets the same again."""

    final = True


def head(reply: MessageObject, kind: str) -> dict[str, Any]:
    """The members that a completion and all its chunks begin with; `created` is a Unix time in seconds."""
    created = int(reply.created_at.timestamp())
    return {"id": f"chatcmpl-{reply.id.hex}", "object": kind, "created": created, "model": reply.model_id}


def completion(told: Told, calls: Mapping[UUID, Called]) -> dict[str, Any]:
    """A reply that has ended, with `calls` its tool calls by the id of their row."""
    message = told.message
    asked = [tool_call(calls[UUID(id_)]) for id_ in function_calls(told)]
    said: dict[str, Any] = {"role": "assistant", "content": message.content or (None if asked else "")}
    said |= {"refusal": None, "annotations": []}
    if reasoning := "".join(item.text for item in told.output.output if item.of is Of.REASONING):
        said["reasoning_content"] = reasoning
    if asked:
        said["tool_calls"] = asked
    reason = finish_reason(message, called=bool(asked))
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": reason}
    return head(message, COMPLETION) | {"choices": [choice], "usage": usage(message)}


def function_calls(told: Told) -> list[str]:
    """The rows of the calls that are the asker's to execute, in order."""
    return [str(item.call_id) for item in told.output.output if item.of is Of.FUNCTION]


def tool_call(call: Called) -> dict[str, Any]:
    """One call of a function."""
    return {
        "id": call.call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def ended_well(message: MessageObject) -> bool:
    """Whether the end of a reply is an answer; a filter's verdict is one, with a finish reason of its own."""
    return message.status is Status.COMPLETED or message.finish_reason == "content_filter"


def failure(message: MessageObject) -> Failed:
    """Why a reply that has ended is no answer."""
    if message.error is None:
        return Failed("The reply was cancelled.", status=_STATUS["cancelled"], code="cancelled")
    error = message.error
    return Failed(error.message, status=_STATUS.get(error.code, 500), code=error.code)


def finish_reason(message: MessageObject, *, called: bool) -> str:
    """Why the text ends where it does; `called`: with calls that the asker executes."""
    return "tool_calls" if called else _LIMITS.get(str(message.finish_reason), "stop")


def usage(message: MessageObject) -> dict[str, Any]:
    """What the reply took, in tokens."""
    prompt, completed = message.prompt_tokens or 0, message.completion_tokens or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completed,
        "total_tokens": prompt + completed,
        "prompt_tokens_details": {"cached_tokens": message.cached_tokens or 0},
        "completion_tokens_details": {"reasoning_tokens": message.reasoning_tokens or 0},
    }
