"""OpenAI's chat completions, with DeepSeek's field for reasoning."""

from __future__ import annotations

from typing import Any

from tests.provider.dialect import Counts, Dialect, frame, text_of

TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    402: "insufficient_quota",
    429: "rate_limit_exceeded",
    529: "overloaded_error",
}


class OpenAIDialect(Dialect):
    name = "openai"
    path = "/v1/chat/completions"
    request_id_header = "x-request-id"

    def messages(self, body: dict[str, Any]) -> list[dict[str, str]]:
        return [{"role": message["role"], "content": text_of(message.get("content"))} for message in body["messages"]]

    def asked(self, body: dict[str, Any]) -> list[tuple[set[str], dict[str, str]]]:
        found: list[tuple[set[str], dict[str, str]]] = []
        for message in body["messages"]:
            if message.get("tool_calls"):
                found.append(({call["id"] for call in message["tool_calls"]}, {}))
            elif message["role"] == "tool":
                found[-1][1][message["tool_call_id"]] = text_of(message["content"])
        return found

    def failure(self, status: int, quote: str) -> dict[str, Any]:
        return {"error": {"message": quote, "type": TYPES.get(status, "server_error"), "param": None, "code": None}}

    def opening(self, counts: Counts) -> bytes:
        return _chunk({"role": "assistant", "content": ""})

    def reasoning(self, text: str) -> bytes:
        return _chunk({"content": None, "reasoning_content": text})

    def token(self, text: str) -> bytes:
        return _chunk({"content": text})

    def tool_call(self, place: int, call_id: str, name: str, arguments: str) -> bytes:
        half = len(arguments) // 2
        first = {"index": place, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
        parts = [{"index": place, "function": {"arguments": part}} for part in (arguments[:half], arguments[half:])]
        return b"".join(_chunk({"tool_calls": [piece]}) for piece in (first, *parts))

    def error(self, quote: str) -> bytes:
        return frame(self.failure(500, quote))

    def ping(self) -> bytes:
        return b": ping\n\n"

    def ending(self, reason: str, counts: Counts | None) -> bytes:
        usage = b"" if counts is None else frame({**_envelope(), "choices": [], "usage": _usage(counts)})
        return _chunk({}, reason) + usage + frame("[DONE]")


def _envelope() -> dict[str, Any]:
    return {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1_750_000_000, "model": "fake"}


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return frame({**_envelope(), "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})


def _usage(counts: Counts) -> dict[str, Any]:
    return {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.completion,
        "total_tokens": counts.prompt + counts.completion,
        "prompt_tokens_details": {"cached_tokens": counts.cached},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }
