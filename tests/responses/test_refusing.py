"""What is refused under /v1: always a 4xx in OpenAI's shape that names the field, and nothing is stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.api.conftest import MakeApp, Person, Traces, sign_up

ASKED = {"model": "scripted/echo", "input": "hello"}
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
MESSAGE = {"role": "user", "content": "hi"}


def error(answer: TestResponse, status: int = 400) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/json"
    assert answer.headers["X-Request-Id"]
    found = dict(answer.json["error"])
    assert set(found) == {"message", "type", "param", "code"}
    assert found["message"]
    return found


def part(**of: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [of]}]}


BAD: dict[str, tuple[dict[str, Any], str | None]] = {
    "no input": ({"input": None}, "input"),
    "an empty input": ({"input": " "}, "input"),
    "no items": ({"input": []}, "input"),
    "only an answer": ({"input": [{"role": "assistant", "content": "I said"}]}, "input"),
    "no model": ({"model": None}, "model"),
    "an unknown model": ({"model": "nobody/nothing"}, "model"),
    "a model without its key": ({"model": "openai/gpt"}, "model"),
    "a number": ({"input": 5}, "input"),
    "a conversation that is a number": ({"conversation": 5}, "conversation"),
    "a format that nobody knows": ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
    "an unknown parameter": ({"inptu": "x"}, "inptu"),
    "a prompt": ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    "compaction": ({"context_management": [{"type": "compaction"}]}, "context_management"),
    "a tool limit": ({"max_tool_calls": 3}, "max_tool_calls"),
    "log probabilities": ({"top_logprobs": 2}, "top_logprobs"),
    "log probabilities to include": ({"include": ["message.output_text.logprobs"]}, "include"),
    "moderation": ({"moderation": {"model": "m"}}, "moderation"),
    "a penalty": ({"frequency_penalty": 0.5}, "frequency_penalty"),
    "too hot": ({"temperature": 2.1}, "temperature"),
    "a temperature that is a word": ({"temperature": "1"}, "temperature"),
    "no tokens": ({"max_output_tokens": 0}, "max_output_tokens"),
    "a stream that is a word": ({"stream": "yes"}, "stream"),
    "metadata that is no text": ({"metadata": {"a": 1}}, "metadata.a"),
    "too much metadata": ({"metadata": {str(number): "x" for number in range(17)}}, "metadata"),
    "both ways on": ({"previous_response_id": "resp_x", "conversation": "conv_x"}, "conversation"),
    "a background that is not stored": ({"background": True, "store": False}, "store"),
    "no such previous response": ({"previous_response_id": f"resp_{uuid4().hex}"}, "previous_response_id"),
    "a previous response of garbage": ({"previous_response_id": "resp_1"}, "previous_response_id"),
    "an item reference": ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
    "a computer's call": ({"input": [MESSAGE, {"type": "computer_call"}]}, "input[1].type"),
    "an item that is a word": ({"input": ["hi"]}, "input[0]"),
    "an unknown role": ({"input": [{"role": "critic", "content": "x"}]}, "input[0].role"),
    "a part that nobody knows": (part(type="input_audio", data="x"), "input[0].content[0].type"),
    "an image elsewhere": (
        part(type="input_image", image_url="https://example.com/a.png"),
        "input[0].content[0].image_url",
    ),
    "an image by its id": (part(type="input_image", file_id="file_1"), "input[0].content[0].file_id"),
    "an image that is none": (
        part(type="input_image", image_url="data:image/png;base64,AAAA"),
        "input[0].content[0].image_url",
    ),
    "a file by its id": (part(type="input_file", file_id="file_1"), "input[0].content[0].file_id"),
    "a file elsewhere": (part(type="input_file", file_url="https://example.com/a.pdf"), "input[0].content[0].file_url"),
    "a file without content": (part(type="input_file", filename="a.pdf"), "input[0].content[0]"),
    "arguments that are no object": (
        {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "[]"}]},
        "input[0].arguments",
    ),
    "an output of nothing": ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
    "a search tool": ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    "a server elsewhere": (
        {"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://example.com"}]},
        "tools[0].server_url",
    ),
    "a function without a name": ({"tools": [{"type": "function"}]}, "tools[0].name"),
    "a function twice": ({"tools": [FUNCTION, FUNCTION]}, "tools"),
    "a choice of nothing": ({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "g"}}, "tool_choice"),
    "a choice of a word": ({"tools": [FUNCTION], "tool_choice": "maybe"}, "tool_choice"),
    "a choice of a search": ({"tool_choice": {"type": "web_search_preview"}}, "tool_choice"),
    "a schema without one": (
        {"text": {"format": {"type": "json_schema", "name": "x"}}},
        "text.format.schema",
    ),
    "half a surrogate pair": ({"input": "\ud800"}, None),
    "a null character": ({"input": "a\0b"}, None),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_names_its_field(name: str, ada: Person, traces: Callable[[], Traces]) -> None:
    changed, param = BAD[name]
    before = traces()
    found = error(ada.post("/v1/responses", {k: v for k, v in (ASKED | changed).items() if v is not None}))
    assert (found["type"], found["param"]) == ("invalid_request_error", param)
    assert traces() == before


NEUTRAL: dict[str, Any] = {
    "include": ["reasoning.encrypted_content", "web_search_call.action.sources"],
    "reasoning": {"effort": "low", "summary": "auto"},
    "truncation": "disabled",
    "stream_options": {"include_obfuscation": False},
    "service_tier": "flex",
    "user": "u",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "top_logprobs": 0,
    "max_tool_calls": None,
    "prompt": None,
    "text": {"verbosity": "low"},
    "image": {"context_compression": "auto"},
    "frequency_penalty": 0.0,
}


def test_what_changes_nothing_is_taken(ada: Person) -> None:
    answer = ada.post("/v1/responses", ASKED | NEUTRAL | {"background": True})
    assert answer.status_code == 200, answer.text
    assert (answer.json["user"], answer.json["safety_identifier"]) == ("u", "s")
    assert answer.json["reasoning"] == {"effort": None, "summary": None}
    assert answer.json["truncation"] == "auto"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"input": ' + b"[" * 70 + b"]" * 70 + b"}", "application/json", 400),
        (b"\xff\x00binary", "application/json", 400),
        (b"input=hello", "application/x-www-form-urlencoded", 415),
        (b'{"input": "' + b"x" * 3_000_000 + b'"}', "application/json", 413),
        (b"", "application/json", 400),
    ],
)
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/conversations/conv_1/items"])
def test_what_is_no_json_object_is_refused(ada: Person, path: str, body: bytes, content_type: str, status: int) -> None:
    is_empty_elsewhere = not body and path != "/v1/responses"
    error(ada.call("POST", path, data=body, content_type=content_type), 404 if is_empty_elsewhere else status)


def test_without_a_key_nothing_opens(app: Flask, ada: Person) -> None:
    for headers in ({}, {"Authorization": "Bearer hf_wrong"}, {"Authorization": "Basic abc"}):
        found = error(app.test_client().get("/v1/models", headers=headers), 401)
        assert found["code"] == "invalid_api_key"


def test_a_cookie_opens_nothing(app: Flask, ada: Person) -> None:
    browser = app.test_client()
    signed = browser.post("/api/session", json={"email": ada.email, "password": "correct horse battery"})
    assert signed.status_code == 201
    assert browser.get("/api/me").status_code == 200
    error(browser.get("/v1/models"), 401)


def test_foreign_things_are_as_good_as_none(ada: Person, ben: Person) -> None:
    made = ada.post("/v1/responses", ASKED | {"background": True}).json
    conversation = made["conversation"]["id"]
    for who, id_, conv in (
        (ben, made["id"], conversation),
        (ada, f"resp_{uuid4().hex}", f"conv_{uuid4().hex}"),
        (ada, "resp_1", "conv_1"),
        (ada, "nonsense", "nonsense"),
        (ada, made["id"].upper(), conversation.upper()),
    ):
        error(who.get(f"/v1/responses/{id_}"), 404)
        error(who.get(f"/v1/responses/{id_}?stream=true"), 404)
        error(who.get(f"/v1/responses/{id_}/input_items"), 404)
        error(who.call("POST", f"/v1/responses/{id_}/cancel"), 404)
        error(who.delete(f"/v1/responses/{id_}"), 404)
        error(who.get(f"/v1/conversations/{conv}"), 404)
        error(who.get(f"/v1/conversations/{conv}/items"), 404)
        error(who.get(f"/v1/conversations/{conv}/items/msg_1"), 404)
        error(who.post(f"/v1/conversations/{conv}", {"metadata": {}}), 404)
        error(who.post(f"/v1/conversations/{conv}/items", {"items": [MESSAGE]}), 404)
        error(who.delete(f"/v1/conversations/{conv}"), 404)
        found = error(who.post("/v1/responses", ASKED | {"previous_response_id": id_}))
        assert found["code"] == "previous_response_not_found"
        error(who.post("/v1/responses", ASKED | {"conversation": conv}), 404)


def test_a_message_of_a_user_is_no_response(ada: Person) -> None:
    question = ada.say()["message"]["id"].replace("-", "")
    error(ada.get(f"/v1/responses/resp_{question}"), 404)


def test_a_deleted_response_is_no_previous_one(ada: Person) -> None:
    made = ada.post("/v1/responses", ASKED | {"background": True}).json
    assert ada.delete(f"/v1/responses/{made['id']}").json == {"id": made["id"], "object": "response", "deleted": True}
    found = error(ada.post("/v1/responses", ASKED | {"previous_response_id": made["id"]}))
    assert found["param"] == "previous_response_id"


@pytest.mark.parametrize("query", ["-2", "10000000", "x", "1.5", "99999999999999999999999"])
def test_numbers_that_no_event_has_are_refused(ada: Person, query: str) -> None:
    made = ada.post("/v1/responses", ASKED | {"background": True}).json
    found = error(ada.get(f"/v1/responses/{made['id']}?stream=true&starting_after={query}"))
    assert found["param"] == "starting_after"


def test_a_number_without_a_stream_is_refused(ada: Person) -> None:
    made = ada.post("/v1/responses", ASKED | {"background": True}).json
    assert error(ada.get(f"/v1/responses/{made['id']}?starting_after=1"))["param"] == "starting_after"


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "order=up", "after=msg_1"])
def test_bad_pages_are_refused(ada: Person, query: str) -> None:
    made = ada.post("/v1/responses", ASKED | {"background": True}).json
    for list_ in (f"/v1/responses/{made['id']}/input_items", f"/v1/conversations/{made['conversation']['id']}/items"):
        assert error(ada.get(f"{list_}?{query}"))["param"] == query.partition("=")[0]


def test_other_addresses_and_methods_are_told_of_in_the_same_shape(ada: Person) -> None:
    error(ada.get("/v1/nothing"), 404)
    error(ada.post("/v1/responses/compact"), 404)
    error(ada.post("/v1/responses/input_tokens"), 404)
    error(ada.patch("/v1/responses", {}), 405)
    error(ada.call("PUT", "/v1/models"), 405)


def test_models_are_listed_and_found(ada: Person) -> None:
    listed = ada.get("/v1/models").json
    assert listed["object"] == "list"
    assert {model["id"] for model in listed["data"]} >= {"scripted/echo"}
    assert ada.get("/v1/models/scripted/echo").json == next(m for m in listed["data"] if m["id"] == "scripted/echo")
    found = error(ada.get("/v1/models/openai/gpt"), 404)
    assert (found["code"], found["param"]) == ("model_not_found", "model")


def test_too_many_requests_are_told_when_to_come_again(make_app: MakeApp) -> None:
    person = sign_up(make_app(rate_limits="on", posts_per_minute=1), "eve@example.com")
    assert person.post("/v1/responses", ASKED | {"background": True}).status_code == 200
    refused = person.post("/v1/responses", ASKED | {"background": True})
    found = error(refused, 429)
    assert (found["type"], found["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert 0 < int(refused.headers["Retry-After"]) <= 60


def test_named_origins_may_call_with_a_key(make_app: MakeApp) -> None:
    origin = "https://app.example.com"
    person = sign_up(make_app(cors_origins=[origin]), "eve@example.com")
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization, content-type, x-stainless-os"
    preflight = person.client.options("/v1/responses", headers=asked)
    assert preflight.status_code == 204
    allowed = {name.strip().lower() for name in preflight.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"authorization", "*"} <= allowed
    answer = person.call("GET", "/v1/models", {"Origin": origin})
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert (
        "Access-Control-Allow-Origin"
        not in person.call("GET", "/v1/models", {"Origin": "https://evil.example"}).headers
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_locked_database_is_503_and_the_sdk_may_come_again(
    ada: Person, traces: Callable[[], Traces], database_url: str
) -> None:
    before = traces()
    with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = ada.post("/v1/responses", ASKED)
        other.execute("ROLLBACK")
    assert error(refused, 503)["type"] == "server_error"
    assert int(refused.headers["Retry-After"]) > 0
    assert traces() == before
