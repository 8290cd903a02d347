"""Requests that are no requests: each a problem+json with its code, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.api.conftest import MakeApp, Person, Traces, sign_up

JSON = "application/json"
MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}

# Where a body is wanted; {thread} and {reply} are the caller's.
WITH_BODY = [
    ("POST", "/api/users"),
    ("POST", "/api/session"),
    ("PATCH", "/api/me"),
    ("POST", "/api/keys"),
    ("POST", "/api/messages"),
    ("POST", "/api/threads"),
    ("PATCH", "/api/threads/{thread}"),
    ("POST", "/api/threads/{thread}/messages"),
    ("POST", "/api/threads/{thread}/solve"),
    ("PATCH", "/api/messages/{reply}"),
    ("POST", "/api/messages/{reply}/snooze"),
    ("POST", "/api/messages/{reply}/input"),
]
NO_JSON = {
    "empty": b"",
    "truncated": b'{"content":"x"',
    "two": b'{"content":"x"}{}',
    "single quotes": b"{'content':'x'}",
    "NaN": b'{"content":"x","temperature":NaN}',
    "Infinity": b'{"content":"x","metadata":{"a":-Infinity}}',
    "deep list": b"[" * 100_000,
    "deep object": b'{"metadata":' * 100_000,
    "closed deep list": b'{"content":"x","metadata":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "huge integer": b'{"content":"x","metadata":{"a":' + b"9" * 5_000 + b"}}",
    "invalid UTF-8": b'{"content":"\xff\xfe"}',
    "raw NUL": b'{"content":"\x00"}',
    "not text at all": bytes(range(256)),
}
NO_OBJECT = {
    "null": b"null",
    "list": b"[]",
    "number": b"1",
    "true": b"true",
    "JSON in a string": b'"{\\"content\\":\\"x\\"}"',
}


def outcome(answer: TestResponse) -> tuple[int, str]:
    """Status and code of a well-formed problem."""
    problem: dict[str, Any] = answer.json
    assert answer.content_type == "application/problem+json"
    assert set(problem) - {"errors"} == MEMBERS
    assert problem["status"] == answer.status_code
    assert problem["type"].endswith(f":{problem['code']}")
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["title"]
    assert problem["detail"]
    return answer.status_code, problem["code"]


def test_what_is_not_json_is_400_and_leaves_nothing(ada: Person, traces: Callable[[], Traces]) -> None:
    before = traces()
    found = {
        name: outcome(ada.call("POST", "/api/messages", data=body, content_type=JSON)) for name, body in NO_JSON.items()
    }
    assert found == dict.fromkeys(NO_JSON, (400, "malformed_json"))
    assert traces() == before


def test_json_that_is_no_object_is_422(ada: Person, traces: Callable[[], Traces]) -> None:
    before = traces()
    for name, body in NO_OBJECT.items():
        answer = ada.call("POST", "/api/messages", data=body, content_type=JSON)
        assert (outcome(answer), answer.json["errors"][0]["field"]) == ((422, "validation_error"), "body"), name
    assert traces() == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_route_with_a_body_reads_it_alike(ada: Person) -> None:
    sent = ada.say()
    for method, route in WITH_BODY:
        path = route.format(thread=sent["thread"]["id"], reply=sent["reply"]["id"])
        found = [
            outcome(ada.call(method, path, data=b"{", content_type=JSON)),
            outcome(ada.call(method, path, data=b"")),
            outcome(ada.call(method, path, data=b"{}", content_type="text/plain")),
            outcome(ada.call(method, path, data={"content": "a form"})),
            outcome(ada.call(method, path, data=b"[]", content_type=JSON)),
            outcome(ada.call(method, path, json={"surprise": 1})),
        ]
        assert found == [
            (400, "malformed_json"),
            (400, "malformed_json"),
            (415, "unsupported_media_type"),
            (415, "unsupported_media_type"),
            (422, "validation_error"),
            (422, "validation_error"),
        ], route


def test_a_body_over_the_limit_is_413(make_app: MakeApp) -> None:
    ada = sign_up(make_app(max_body_bytes=1_000), "ada@example.com")
    largest, envelope = 1_000, len(b'{"content":""}')
    bodies = [b'{"content":"' + b"x" * (size - envelope) + b'"}' for size in (largest, largest + 1)]
    assert ada.call("POST", "/api/messages", data=bodies[0], content_type=JSON).status_code == 202
    assert outcome(ada.call("POST", "/api/messages", data=bodies[1], content_type=JSON)) == (413, "payload_too_large")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_address_that_nobody_has_is_404(ada: Person) -> None:
    paths = [
        "/api",
        "/api/",
        "/api/nothing",
        "/api/threads/",
        "/api/threads/1",
        "/api/messages/%00",
        "/api/%ff/..",
    ]
    assert {path: outcome(ada.get(path)) for path in paths} == dict.fromkeys(paths, (404, "not_found"))
    assert outcome(ada.post("/api/threads/not-a-uuid/messages", {"content": "x"})) == (404, "not_found")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_method_that_an_address_lacks_is_405_and_says_which_it_has(app: Flask, ada: Person) -> None:
    allowed = {
        ("PUT", "/api/threads"): {"GET", "HEAD", "OPTIONS", "POST"},
        ("DELETE", "/api/messages"): {"OPTIONS", "POST"},
        ("GET", "/api/session"): {"DELETE", "OPTIONS", "POST"},
        ("TRACE", "/api/me"): {"GET", "HEAD", "OPTIONS", "PATCH"},
        ("POST", "/healthz"): {"GET", "HEAD", "OPTIONS"},
    }
    for (method, path), methods in allowed.items():
        answer = ada.call(method, path)
        assert (outcome(answer), set(answer.headers["Allow"].split(", "))) == ((405, "method_not_allowed"), methods)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_head_answers_like_get_without_a_body(ada: Person) -> None:
    sent = ada.say()
    for path in ("/api/threads", f"/api/messages/{sent['reply']['id']}", "/api/me"):
        head, get = ada.call("HEAD", path), ada.get(path)
        assert (head.status_code, head.data, head.headers["Content-Length"]) == (
            200,
            b"",
            get.headers["Content-Length"],
        )
