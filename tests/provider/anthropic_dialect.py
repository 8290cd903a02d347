"""Anthropic's messages. Text is content block 0, reasoning 1 and tool calls from 2 on, whatever comes first."""

from __future__ import annotations

from typing import Any

from tests.provider.dialect import Counts, Dialect, frame, text_of

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


class AnthropicDialect(Dialect):
    name = "anthropic"
    path = "/v1/messages"
    request_id_header = "request-id"

    def messages(self, body: dict[str, Any]) -> list[dict[str, str]]:
        system = [{"role": "system", "content": text_of(body["system"])}] if body.get("system") else []
        spoken = [{"role": message["role"], "content": text_of(message["content"])} for message in body["messages"]]
        return system + spoken

    def asked(self, body: dict[str, Any]) -> list[tuple[set[str], dict[str, str]]]:
        found: list[tuple[set[str], dict[str, str]]] = []
        for message in body["messages"]:
            blocks = message["content"] if isinstance(message["content"], list) else []
            if calls := {block["id"] for block in blocks if block["type"] == "tool_use"}:
                found.append((calls, {}))
            for block in blocks:
                if block["type"] == "tool_result":
                    found[-1][1][block["tool_use_id"]] = text_of(block["content"])
        return found

    def failure(self, status: int, quote: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": TYPES.get(status, "api_error"), "message": quote}}

    def opening(self, counts: Counts) -> bytes:
        usage = {
            "input_tokens": counts.prompt - counts.cached,
            "cache_read_input_tokens": counts.cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": 1,
        }
        message = {"id": "msg_fake", "type": "message", "role": "assistant", "model": "fake", "content": []}
        start = _event("message_start", message={**message, "stop_reason": None, "usage": usage})
        return start + _start(0, {"type": "text", "text": ""})

    def reasoning(self, text: str) -> bytes:
        return _delta(1, {"type": "thinking_delta", "thinking": text})

    def token(self, text: str) -> bytes:
        return _delta(0, {"type": "text_delta", "text": text})

    def tool_call(self, place: int, call_id: str, name: str, arguments: str) -> bytes:
        half = len(arguments) // 2
        start = _start(place + 2, {"type": "tool_use", "id": call_id, "name": name, "input": {}})
        parts = (arguments[:half], arguments[half:])
        deltas = (_delta(place + 2, {"type": "input_json_delta", "partial_json": part}) for part in parts)
        return start + b"".join(deltas) + _event("content_block_stop", index=place + 2)

    def error(self, quote: str) -> bytes:
        return _event("error", error={"type": "overloaded_error", "message": quote})

    def ping(self) -> bytes:
        return _event("ping")

    def ending(self, reason: str, counts: Counts | None) -> bytes:
        details = {"output_tokens_details": {"thinking_tokens": counts.reasoning}} if counts else {}
        usage = {"usage": {"output_tokens": counts.completion, **details}} if counts else {}
        delta = {"stop_reason": REASONS[reason], "stop_sequence": None}
        last = _event("message_delta", delta=delta, **usage) + _event("message_stop")
        return _event("content_block_stop", index=0) + last


def _event(kind: str, **fields: Any) -> bytes:
    return frame({"type": kind, **fields}, event=kind)


def _start(index: int, block: dict[str, Any]) -> bytes:
    return _event("content_block_start", index=index, content_block=block)


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return _event("content_block_delta", index=index, delta=delta)
