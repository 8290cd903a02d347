"""Chat Completions, as OpenAI, DeepSeek, the local model and many other servers speak it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx2
import openai

from app.llm import openai_request
from app.llm.call import SILENT, Call
from app.llm.complaint import Complaint, refusal
from app.llm.endpoint import Endpoint
from app.llm.errors import ProviderBusy, ProviderDown, ProviderError, StreamCut
from app.llm.failures import translated
from app.llm.tool_calls import ToolCalls
from app.llm.types import Delta, Finished, FinishReason, ModelRequest, ReasoningDelta, Take, TextDelta, Usage
from app.llm.usage import believed
from app.llm.wire import Event, client_for, read

# These servers refuse `max_tokens` for newer models; the others know nothing else.
COUNTS_COMPLETION_TOKENS = (".openai.com", ".openai.azure.com")
_PATH = "/chat/completions"
_STREAM = openai.Stream[object]
REASONS: Mapping[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class OpenAICompatible:
    """A provider behind an OpenAI-compatible address; `extra` are body fields that only this server understands."""

    def __init__(self, endpoint: Endpoint, extra: Mapping[str, Any] | None = None) -> None:
        self.name = endpoint.provider
        self._endpoint = endpoint
        self._extra = dict(extra or {})

    def stream(self, request: ModelRequest, call: Call, take: Take) -> Finished:
        """Give `take` what the model writes; see app/llm/types.py for the contract."""
        with translated(self._endpoint, call, openai), client_for(call) as http:
            client = openai.OpenAI(
                api_key=self._endpoint.secret, base_url=self._endpoint.base_url, http_client=http, max_retries=0
            )
            with client.post(
                _PATH, body=self._body(request), cast_to=object, stream=True, stream_cls=_STREAM
            ) as stream:
                reply = _Reply(self._endpoint, call, stream.response.headers, take)
                reply.read(stream.response)
                return reply.finished()

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        """The whole body, which the SDK sends as it is. What its `create` is given it walks through, word by word of
        what may be in it: 15 ms for a thread of 200 messages."""
        body = openai_request.body(request) | self._extra
        if request.max_output_tokens is not None:
            body[self._limit_name()] = request.max_output_tokens
        return body

    def _limit_name(self) -> str:
        modern = self._endpoint.host.endswith(COUNTS_COMPLETION_TOKENS)
        return "max_completion_tokens" if modern else "max_tokens"


class _Reply:
    """What one stream has said so far."""

    def __init__(self, endpoint: Endpoint, call: Call, headers: Mapping[str, str], take: Take) -> None:
        self._endpoint = endpoint
        self._call = call
        self._headers = headers
        self._take = take
        self._tool_calls = ToolCalls()
        self._usage: Usage | None = None
        self._finish: str | None = None

    def read(self, response: httpx2.Response) -> None:
        """Take what comes to the end of the stream, past the finish reason, where the usage comes.

        Once the reply is finished, neither a broken nor a silent connection can spoil it.
        """
        try:
            read(response, self._event)
        except (httpx2.HTTPError, httpx2.SSEError, ProviderError, ValueError):
            if self._finish is None or self._call.cut_reason not in {None, SILENT}:
                raise

    def _event(self, event: Event) -> bool:
        self._notice(event)
        self._say(event.body)
        return False

    def finished(self) -> Finished:
        """The end, once the provider has said so; raises StreamCut where the stream just stopped."""
        reason = self._reason()
        calls = self._tool_calls.whole() if reason in {"stop", "tool_calls"} else ()
        if reason == "tool_calls" and not calls:
            raise StreamCut(f"{self._endpoint.title} announced a tool call and sent none. Try again.")
        return Finished("tool_calls" if calls else reason, self._usage, calls, self._headers.get("x-request-id"))

    def _reason(self) -> FinishReason:
        if self._finish is None:
            raise StreamCut(f"{self._endpoint.title} ended its stream before the reply was complete. Try again.")
        if self._finish == "insufficient_system_resource":  # DeepSeek, out of capacity in mid-reply
            raise ProviderBusy(f"{self._endpoint.title} ran out of capacity in mid-reply. Try again.")
        if self._finish == "error":  # OpenRouter, whose provider failed in mid-reply
            raise ProviderDown(f"{self._endpoint.title} failed in mid-reply. Try again.")
        return REASONS.get(self._finish, "stop")

    def _notice(self, event: Event) -> None:
        """Take what an event says about the reply as a whole."""
        match event.body:
            case {"error": error} if error:
                raise self._failed(error)
            case dict() if event.name == "error":
                raise self._failed(event.body)
            case {"choices": [{"finish_reason": str(reason)}, *_]}:
                self._finish = reason
        match event.body:
            case {"usage": {"prompt_tokens": int(prompt), "completion_tokens": int(completion)} as usage}:
                cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
                reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
                self._usage = believed(prompt, completion, cached, reasoning)

    def _failed(self, error: object) -> ProviderError:
        return refusal(self._endpoint, Complaint.in_stream(error, self._headers))

    def _say(self, body: object) -> None:
        match body:
            case {"choices": [{"delta": dict(delta)}, *_]}:
                if reasoning := _text(delta, "reasoning_content") or _text(delta, "reasoning"):
                    self._give(ReasoningDelta(reasoning))
                if text := _text(delta, "content") or _text(delta, "refusal"):
                    self._give(TextDelta(text))
                self._take_tool_calls(delta)

    def _give(self, delta: Delta) -> None:
        self._call.touch()
        self._take(delta)

    def _take_tool_calls(self, delta: Mapping[str, Any]) -> None:
        match delta:
            case {"tool_calls": [*pieces]}:
                for piece in pieces:
                    self._take_piece(piece)

    def _take_piece(self, piece: object) -> None:
        match piece:
            case {"function": dict(function), **rest}:
                self._call.touch()
                index = rest.get("index")
                self._tool_calls.add(
                    index if isinstance(index, int) else len(self._tool_calls),  # Gemini: whole calls, without an index
                    call_id=_text(rest, "id"),
                    name=_text(function, "name"),
                    arguments=_arguments(function.get("arguments")),
                )


def _text(mapping: Mapping[Any, Any], name: str) -> str:
    value = mapping.get(name)
    return value if isinstance(value, str) else ""


def _arguments(value: object) -> str:
    """The next part of the arguments; some servers send the object itself instead of its text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _detail(usage: Mapping[str, Any], group: str, name: str) -> int:
    details = usage.get(group)
    count = details.get(name) if isinstance(details, dict) else None
    return count if isinstance(count, int) else 0
