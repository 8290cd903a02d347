"""Everything we answer has the shape of the SDK's own types, and of Open Responses' document where that says more."""

from __future__ import annotations

import json
from typing import Any

import httpx2 as httpx
import pytest
from openai.types.conversations import ConversationItemList
from openai.types.responses import Response, ResponseItemList, ResponseStreamEvent
from pydantic import TypeAdapter

ECHO = "scripted/echo"
FUNCTION: Any = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
OURS: Any = {"type": "mcp", "server_label": "holdfast", "allowed_tools": ["calculator"]}
SCRIPTS = {
    "text": ("hello", []),
    "reasoning": ("!reason hm\nhello", []),
    "a function": ('Wait.\n!tool f {"a": 1}\n!tool f {"a": 2}', [FUNCTION]),
    "a tool of ours": ('!tool calculator {"expression": "1+1"}', [OURS]),
    "a tool of ours that fails": ('!tool calculator {"expression": "1/0"}', [OURS]),
    "a cut": ("Not all\n!finish length", []),
    "a refusal": ("No\n!finish content_filter", []),
    "a failure": ("!error 400", []),
}
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def events(raw: httpx.Client, **asked: Any) -> list[dict[str, Any]]:
    found = []
    with raw.stream("POST", "/v1/responses", json={"model": ECHO, "stream": True} | asked) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        for block in answer.read().decode().split("\n\n")[:-1]:
            name, data = block.split("\n")
            found.append(json.loads(data.removeprefix("data: ")))
            assert name == f"event: {found[-1]['type']}"
    return found


def strictly(adapter: TypeAdapter[Any], value: Any) -> None:
    """Valid, and nothing in it that the type does not know, but for members that other documents ask for."""
    parsed = adapter.validate_python(value)
    unknown = set(_unknown(parsed))
    assert unknown <= {"store", "frequency_penalty", "presence_penalty"}, unknown


def _unknown(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in _unknown(item)]
    if not hasattr(value, "model_fields_set"):
        return []
    inside = [name for field in type(value).model_fields for name in _unknown(getattr(value, field))]
    return [*(value.__pydantic_extra__ or {}), *inside]


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("background", [False, True])
def test_every_event_and_response_is_of_its_type(raw: httpx.Client, name: str, background: bool) -> None:
    script, tools = SCRIPTS[name]
    told = events(raw, input=script, tools=tools, background=background, instructions="x", metadata={"a": "b"})
    for event in told:
        strictly(EVENT, event)
    final = told[-1]["response"]
    strictly(TypeAdapter(Response), final)
    assert raw.get(f"/v1/responses/{final['id']}").json() == final
    items = raw.get(f"/v1/responses/{final['id']}/input_items").json()
    strictly(TypeAdapter(ResponseItemList), items)
    listed = raw.get(f"/v1/conversations/{final['conversation']['id']}/items?order=asc").json()
    strictly(TypeAdapter(ConversationItemList), listed)
    assert [item["id"] for item in listed["data"][1:]] == [item["id"] for item in final["output"]]


def test_a_key_of_the_sdks_response_is_never_missing(raw: httpx.Client) -> None:
    """Open Responses asks for these of every response; a client in a strict language may, too."""
    made = raw.post("/v1/responses", json={"model": ECHO, "input": "hello", "background": True}).json()
    assert set(made) >= {
        "id", "object", "created_at", "completed_at", "status", "incomplete_details", "model", "previous_response_id",
        "instructions", "output", "error", "tools", "tool_choice", "truncation", "parallel_tool_calls", "text", "top_p",
        "presence_penalty", "frequency_penalty", "top_logprobs", "temperature", "reasoning", "usage",
        "max_output_tokens", "max_tool_calls", "store", "background", "service_tier", "metadata", "safety_identifier",
        "prompt_cache_key",
    }  # fmt: skip
