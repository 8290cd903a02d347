"""Anthropic's Messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anthropic

from app.llm import anthropic_request
from app.llm.call import Call
from app.llm.complaint import Complaint, refusal
from app.llm.endpoint import Endpoint
from app.llm.errors import StreamCut
from app.llm.failures import translated
from app.llm.tool_calls import ToolCalls
from app.llm.types import Delta, Finished, FinishReason, ModelRequest, ReasoningDelta, Take, TextDelta, Usage
from app.llm.usage import believed
from app.llm.wire import Event, client_for, read

_PATH = "/v1/messages"
_STREAM = anthropic.Stream[object]
REASONS: Mapping[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class Anthropic:
    """The provider `anthropic`; a request without a limit may write `max_output_tokens`, since the API demands one.

    Neither temperature nor top_p is sent: since its version 2026-10-21 the API refuses any, and a preference that is
    meant for all models must not make these fail.
    """

    def __init__(self, endpoint: Endpoint, max_output_tokens: int) -> None:
        self.name = endpoint.provider
        self._endpoint = endpoint
        self._max_output_tokens = max_output_tokens

    def stream(self, request: ModelRequest, call: Call, take: Take) -> Finished:
        """Give `take` what the model writes; see app/llm/types.py for the contract."""
        with translated(self._endpoint, call, anthropic), client_for(call) as http:
            client = anthropic.Anthropic(
                api_key=self._endpoint.secret, base_url=self._endpoint.base_url, http_client=http, max_retries=0
            )
            with client.post(
                _PATH, body=self._body(request), cast_to=object, stream=True, stream_cls=_STREAM
            ) as stream:
                reply = _Reply(self._endpoint, call, stream.response.headers, take)
                read(stream.response, reply.event)
                return reply.finished()

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        """The whole body, which the SDK sends as it is; see app/llm/openai_compatible.py."""
        return anthropic_request.body(request, request.max_output_tokens or self._max_output_tokens)


class _Reply:
    """What one stream has said so far."""

    def __init__(self, endpoint: Endpoint, call: Call, headers: Mapping[str, str], take: Take) -> None:
        self._stopped = False
        self._endpoint = endpoint
        self._call = call
        self._headers = headers
        self._take = take
        self._tool_calls = ToolCalls()
        self._counts: dict[str, Any] = {}
        self._counted = False
        self._reason: str | None = None

    def event(self, event: Event) -> bool:
        """Take one event and give away the text it brings; true for the last one."""
        match event.body:
            case {"type": "content_block_delta", "delta": dict(delta)}:
                self._delta(event.body.get("index"), delta)
            case {"type": "content_block_start", "index": int(index), "content_block": dict(block)}:
                self._open(index, block)
            case {"type": "message_start", "message": {"usage": dict(usage)}}:
                self._counts.update(usage)
            case {"type": "message_delta", "delta": dict(delta)}:
                self._close(delta, event.body.get("usage"))
            case {"type": "message_stop"}:
                self._stopped = True
            case {"type": "error"}:
                raise refusal(self._endpoint, Complaint.in_stream(event.body, self._headers))
        return self._stopped

    def finished(self) -> Finished:
        """The end, once the provider has said so; raises StreamCut where the stream just stopped."""
        if not self._stopped or self._reason is None:
            raise StreamCut(f"{self._endpoint.title} ended its stream before the reply was complete. Try again.")
        reason = REASONS.get(self._reason, "stop")
        calls = self._tool_calls.whole() if reason in {"stop", "tool_calls"} else ()
        if reason == "tool_calls" and not calls:
            raise StreamCut(f"{self._endpoint.title} announced a tool call and sent none. Try again.")
        return Finished("tool_calls" if calls else reason, self._usage(), calls, self._headers.get("request-id"))

    def _open(self, index: int, block: Mapping[str, Any]) -> None:
        match block:
            case {"type": "tool_use", "id": str(call_id), "name": str(name)}:
                self._call.touch()
                self._tool_calls.add(index, call_id=call_id, name=name)

    def _delta(self, index: object, delta: Mapping[str, Any]) -> None:
        match delta:
            case {"text": str(text)} if text:
                self._give(TextDelta(text))
            case {"thinking": str(text)} if text:
                self._give(ReasoningDelta(text))
            case {"partial_json": str(part)} if part and isinstance(index, int):
                self._call.touch()
                self._tool_calls.add(index, arguments=part)

    def _give(self, delta: Delta) -> None:
        self._call.touch()
        self._take(delta)

    def _close(self, delta: Mapping[str, Any], usage: object) -> None:
        """The last words about the message: why it ends, and its counts, which replace those of its start."""
        reason = delta.get("stop_reason")
        self._reason = reason if isinstance(reason, str) else self._reason
        if isinstance(usage, dict):
            self._counts.update({name: value for name, value in usage.items() if value is not None})
            self._counted = True

    def _usage(self) -> Usage | None:
        """All counts together; without the final ones there are none, as the first only announce the prompt."""
        cached = self._count("cache_read_input_tokens")
        prompt = self._count("input_tokens") + cached + self._count("cache_creation_input_tokens")
        match self._counts.get("output_tokens_details"):
            case {"thinking_tokens": int(reasoning)}:
                pass
            case _:
                reasoning = 0
        return believed(prompt, self._count("output_tokens"), cached, reasoning) if self._counted else None

    def _count(self, name: str) -> int:
        value = self._counts.get(name)
        return value if isinstance(value, int) else 0
