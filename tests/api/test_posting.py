"""What a post may say about tools, later, busy threads and goals; and the tools there are."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from app.database import reading
from app.models import Message
from app.tools.registry import BUILT_IN
from tests.api.conftest import Person, Traces, fields

TOOL_NAMES = ["", "a b", "ü", "a" * 81, "a.b", "x\n", "\0", "\ud800"]


def parameters(app: Flask, reply: dict[str, Any]) -> dict[str, Any]:
    with app.app_context(), reading() as session:
        return session.get_one(Message, UUID(reply["id"])).parameters


def test_tools_are_kept_with_the_reply_the_thread_and_the_person(app: Flask, ada: Person) -> None:
    for tools in ([], ["clock", "server__*"], ["x" * 80] * 50):
        assert parameters(app, ada.say(tools=tools)["reply"]) == {"tools": tools}
        settings = ada.post("/api/threads", {"settings": {"tools": tools}}).json["settings"]
        assert settings == {"tools": tools}
        assert ada.patch("/api/me", {"preferences": {"tools": tools}}).json["preferences"] == {"tools": tools}
    assert parameters(app, ada.say()["reply"]) == {}


def test_names_that_no_tool_has_are_refused_wherever_they_stand(ada: Person, traces: Callable[[], Traces]) -> None:
    thread = f"/api/threads/{ada.post('/api/threads').json['id']}"
    before = traces()
    for name in (*TOOL_NAMES, 1, None):
        tools = ["clock", name]
        assert fields(ada.post("/api/messages", {"content": "x", "tools": tools})) == {"tools.1"}, name
        assert fields(ada.patch(thread, {"settings": {"tools": tools}})) == {"settings.tools.1"}, name
        assert fields(ada.patch("/api/me", {"preferences": {"tools": tools}})) == {"preferences.tools.1"}, name
        assert fields(ada.post(f"{thread}/solve", {"goal": "x", "tools": tools})) == {"tools.1"}, name
    assert traces() == before


def test_a_reply_can_be_asked_for_later_but_not_for_ever(ada: Person) -> None:
    for seconds in (0.5, 2_592_000):
        later = ada.say(after_seconds=seconds)
        assert (later["reply"]["status"], later["thread"]["status"]) == ("waiting", "waiting")
        assert later["reply"]["wake_at"] > later["reply"]["created_at"]
    assert ada.say(after_seconds=0)["reply"]["status"] == "pending"


def test_a_busy_thread_refuses_if_asked_to(ada: Person, traces: Callable[[], Traces]) -> None:
    thread_id = ada.say()["thread"]["id"]
    before = traces()
    for path, body in (("/api/messages", {"thread_id": thread_id}), (f"/api/threads/{thread_id}/messages", {})):
        answer = ada.post(path, {"content": "x", "busy": "reject", **body})
        assert (answer.status_code, answer.json["code"]) == (409, "thread_busy")
        again = ada.post(path, {"content": "x", "busy": "reject", **body}, headers={"Idempotency-Key": "k"})
        assert again.status_code == 409
    assert traces() == before
    assert ada.say(busy="reject")["reply"]["status"] == "pending"


def test_each_way_to_be_busy_is_accepted_with_the_address_of_its_reply(ada: Person) -> None:
    for busy in ("enqueue", "interrupt", "rollback", "steer"):
        first = ada.say()
        path = f"/api/threads/{first['thread']['id']}/messages"
        answer = ada.post(path, {"content": "x", "busy": busy}, headers={"Idempotency-Key": busy})
        assert answer.status_code == 202
        assert (answer.json["reply"]["id"] == first["reply"]["id"]) == (busy == "steer")
        assert answer.headers["Location"] == f"/api/messages/{answer.json['reply']['id']}"
        again = ada.post(path, {"content": "x", "busy": busy}, headers={"Idempotency-Key": busy})
        assert (again.status_code, again.data) == (202, answer.data)
        first_status = ada.get(f"/api/messages/{first['reply']['id']}").json["status"]
        assert first_status == ("cancelled" if busy in {"interrupt", "rollback"} else "pending")


def test_a_message_that_steers_cannot_come_later(ada: Person) -> None:
    thread_id = ada.say()["thread"]["id"]
    body = {"content": "x", "busy": "steer", "after_seconds": 1, "thread_id": thread_id}
    assert fields(ada.post("/api/messages", body)) == {"after_seconds"}


def test_a_goal_is_a_message_whose_reply_has_a_budget(app: Flask, ada: Person) -> None:
    thread_id = ada.post("/api/threads").json["id"]
    answer = ada.post(f"/api/threads/{thread_id}/solve", {"goal": "Find it.\r\nSoon."})
    assert answer.status_code == 202
    assert set(answer.json) == {"thread", "message", "reply"}
    assert answer.headers["Location"] == f"/api/messages/{answer.json['reply']['id']}"
    assert (answer.json["message"]["content"], answer.json["message"]["role"]) == ("Find it.\nSoon.", "user")
    goal = {"max_steps": 20, "max_seconds": 900, "budget_cents": None}
    assert parameters(app, answer.json["reply"]) == {"goal": goal}
    budget = {"max_steps": 100, "max_seconds": 86_400, "budget_cents": "12.000001"}
    body = {"goal": "x", "model": "scripted/goal", "tools": ["clock"]} | budget
    second = ada.post(f"/api/threads/{thread_id}/solve", body).json["reply"]
    chosen = {"model": "scripted/goal", "tools": ["clock"], "goal": budget}
    assert (parameters(app, second), second["model_id"], second["queue_position"]) == (chosen, "scripted/goal", 1)


def test_what_is_wrong_with_a_goal_is_named(ada: Person, ben: Person, traces: Callable[[], Traces]) -> None:
    path = f"/api/threads/{ada.post('/api/threads').json['id']}/solve"
    before = traces()
    wrong: dict[str, list[Any]] = {
        "goal": [None, 1, "", " ", "a\0", "x" * 100_001],
        "max_steps": [None, "1", True, 0, 101, 1.5, 10**30],
        "max_seconds": [None, "1", True, 0, 86_401, 10**30],
        "budget_cents": [1, 1.5, "", "-1", "1e3", "1.0000001", "1,5", "NaN", "1" * 10, "1.", "٣"],
        "model": ["nobody/x", 1],
        "tools": ["clock", ["clock"] * 51],
        "content": ["x"],
        "busy": ["reject"],
    }
    for name, values in wrong.items():
        for value in values:
            assert fields(ada.post(path, {"goal": "x"} | {name: value})) == {name}, (name, value)
    assert fields(ada.post(path, {})) == {"goal"}
    for nowhere in (path, f"/api/threads/{uuid4()}/solve"):
        assert ben.post(nowhere, {"goal": "x"}).status_code == 404
    assert traces() == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_tools_that_are_built_in_are_listed(ada: Person) -> None:
    listed = ada.get("/api/tools").json
    assert listed["next_cursor"] is None
    assert [tool["name"] for tool in listed["data"]] == list(BUILT_IN)
    for tool in listed["data"]:
        assert set(tool) == {"name", "description", "parameters", "approval", "idempotent"}
        assert tool["parameters"]["type"] == "object"
        assert tool["description"]
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", tool["name"])
