"""What the AI SDK's chat sends, sent by hand: answers, refusals and repeats over plain HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx2 as httpx
import pytest

from tests.responses.served import Caller, caller
from tests.responses.ui_client import said, siblings
from tests.support.stack import Stack

__all__ = ["caller"]  # a fixture


def test_a_page_may_send_only_the_newest_message(caller: Caller) -> None:
    for text in ("One", "Two"):
        answer = caller.api.post("/api/chat", json={"id": "chat", "message": said(text)})
        assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert answer.text.endswith("data: [DONE]\n\n")
    [thread] = caller.api.get("/api/threads").json()["data"]
    assert [content for _, content in caller.texts(thread["id"])] == ["One", "One", "Two", "Two"]


def test_an_idempotency_key_finds_the_same_reply(caller: Caller) -> None:
    asked: dict[str, Any] = {"json": {"id": "chat", "messages": [said("One")]}, "headers": {"Idempotency-Key": "k1"}}
    one, two = (caller.api.post("/api/chat", **asked) for _ in range(2))
    begun = [json.loads(answer.text.partition("\n")[0].removeprefix("data: ")) for answer in (one, two)]
    assert begun[0]["messageId"] == begun[1]["messageId"]
    assert '"delta":"One"' in one.text
    assert '"delta":"One"' in two.text
    [thread] = caller.api.get("/api/threads").json()["data"]
    assert siblings(caller, thread["id"]) == [("user", "One"), ("assistant", "One")]
    asked["json"] = {"id": "chat", "messages": [said("Two")]}
    assert caller.api.post("/api/chat", **asked).json()["code"] == "idempotency_key_reused"
    asked["headers"] = {"Idempotency-Key": "k" * 256}
    assert caller.api.post("/api/chat", **asked).status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": "chat", "messages": []}, 422),
        ({"id": "chat", "messages": [said("x")], "temprature": 1}, 422),
        ({"id": "chat", "messages": [said("x")], "model": "nobody/nothing"}, 422),
        ({"id": "chat", "messages": [said("a\x00b")]}, 422),
        ([], 422),
    ],
)
def test_errors_are_problems_as_everywhere_under_api(caller: Caller, body: Any, status: int) -> None:
    answer = caller.api.post("/api/chat", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert caller.api.get("/api/threads").json()["data"] == [], "nothing is stored"


def test_a_deleted_chat_is_not_come_back_to(caller: Caller) -> None:
    asked = {"id": "chat", "messages": [said("One")]}
    caller.api.post("/api/chat", json=asked)
    [thread] = caller.api.get("/api/threads").json()["data"]
    caller.api.delete(f"/api/threads/{thread['id']}")
    assert caller.api.get("/api/chat/chat/stream").status_code == 204
    assert caller.api.post("/api/chat", json=asked).status_code == 404


def test_a_body_that_is_no_json_is_refused(caller: Caller) -> None:
    assert caller.api.post("/api/chat", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert caller.api.post("/api/chat", content=b"{}").status_code == 415


def test_nobody_comes_in_without_a_key(stack: Stack) -> None:
    assert httpx.post(f"{stack.url}/api/chat", json={}).status_code == 401
    assert httpx.get(f"{stack.url}/api/chat/x/stream").status_code == 401
