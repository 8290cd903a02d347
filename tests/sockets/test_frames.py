"""What a client's text is taken for: a frame of some type, or a reason why it is none."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.api import socket_frames
from app.api.socket_frames import Cancel, Frame, Message, NotJson, Solve, Subscribe, UnknownFrame, Unsubscribe
from app.ids import new_id

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ID = "0190a0a0-0000-7000-8000-000000000000"


@pytest.fixture(autouse=True)
def _within(app: Flask) -> Any:
    with app.app_context():
        yield


def read(text: str) -> Frame:
    return socket_frames.frame(socket_frames.members(text))


def wrong(**given: Any) -> str:
    """What is said about the frame."""
    with pytest.raises(ValidationError) as found:
        read(json.dumps(given))
    return ".".join(map(str, found.value.errors()[0]["loc"]))


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"type": "subscribe", "thread_id": ID}, Subscribe),
        ({"type": "subscribe", "thread_id": ID, "after": "1-1", "ref": "a"}, Subscribe),
        ({"type": "subscribe", "thread_id": ID, "after": None, "ref": None}, Subscribe),
        ({"type": "unsubscribe", "thread_id": ID, "ref": 7}, Unsubscribe),
        ({"type": "message", "content": "hi"}, Message),
        ({"type": "message", "content": "hi", "thread_id": None, "busy": "steer", "idempotency_key": "k"}, Message),
        ({"type": "cancel", "message_id": ID}, Cancel),
        ({"type": "solve", "goal": "a goal"}, Solve),
        ({"type": "solve", "goal": "a goal", "thread_id": ID, "max_steps": 3, "budget_cents": "1.5"}, Solve),
    ],
)
def test_each_type_has_its_model(given: dict[str, Any], kind: type[Frame]) -> None:
    frame = read(json.dumps(given))
    assert type(frame) is kind
    assert frame.model_dump(include=set(given), mode="json") == given


@pytest.mark.parametrize(
    "text",
    ["", " ", "hello", "{", '{"type": "message",}', "NaN", '{"type": NaN}', "[" * 100_000, '"\\ud800', "1" * 9_999],
)
def test_what_is_no_json_is_told_so(text: str) -> None:
    with pytest.raises(NotJson):
        socket_frames.members(text)


@pytest.mark.parametrize("text", ["null", "1", '"subscribe"', "[]", '[{"type": "message"}]', "true"])
def test_what_is_no_object_is_unknown(text: str) -> None:
    with pytest.raises(UnknownFrame):
        socket_frames.members(text)


@pytest.mark.parametrize("type_", [None, "", "Message", "ping", 1, ["message"], {}, "\ud800", "connected", "error"])
def test_other_types_are_unknown_and_the_known_ones_are_named(type_: Any) -> None:
    with pytest.raises(UnknownFrame, match="subscribe, unsubscribe, message, cancel, solve"):
        read(json.dumps({"type": type_, "thread_id": ID}))


def test_a_frame_without_a_type_is_unknown() -> None:
    with pytest.raises(UnknownFrame):
        read("{}")


def test_what_is_wrong_is_named() -> None:
    assert wrong(type="subscribe") == "thread_id"
    assert wrong(type="subscribe", thread_id="x") == "thread_id"
    assert wrong(type="subscribe", thread_id=ID, after=5) == "after"
    assert wrong(type="subscribe", thread_id=ID, afer="1-1") == "afer"
    assert wrong(type="unsubscribe", thread_id=None) == "thread_id"
    assert wrong(type="message") == "content"
    assert wrong(type="message", content="  ") == "content"
    assert wrong(type="message", content="\0") == "content"
    assert wrong(type="message", content="x" * 100_001) == "content"
    assert wrong(type="message", content="x", temperature=3) == "temperature"
    assert wrong(type="message", content="x", idempotency_key="") == "idempotency_key"
    assert wrong(type="message", content="x", idempotency_key="\n") == "idempotency_key"
    assert wrong(type="cancel", message_id=7) == "message_id"
    assert wrong(type="solve", goal="x", max_steps=0) == "max_steps"
    assert wrong(type="cancel", message_id=ID, ref={"a": 1}).startswith("ref")
    assert wrong(type="cancel", message_id=ID, ref="x" * 201).startswith("ref")


@pytest.mark.parametrize(
    ("given", "echoed"),
    [
        ("abc", "abc"),
        (0, 0),
        (-7, -7),
        ("", ""),
        ("\ud800", "\ud800"),
        (None, None),
        (True, None),
        (1.5, None),
        ({}, None),
        ("x" * 201, None),
        (1 << 80, None),
    ],
)
def test_an_error_echoes_only_what_is_a_reference(given: Any, echoed: Any) -> None:
    assert socket_frames.ref({"ref": given}) == echoed
    assert socket_frames.ref({}) is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
def test_no_text_is_taken_for_anything_else(value: Any) -> None:
    for text in (json.dumps(value), json.dumps({"type": value}), json.dumps({"type": "message", "content": value})):
        with suppress(NotJson, UnknownFrame, ValidationError):
            assert isinstance(read(text), Message)


def test_a_key_stands_for_the_frame_but_its_reference() -> None:
    user_id = new_id()

    def once(**changed: Any) -> Any:
        given = {"type": "message", "content": "x", "idempotency_key": "k", "metadata": {"a": 1}, **changed}
        frame = read(json.dumps(given))
        assert isinstance(frame, Message | Solve)
        return socket_frames.once(user_id, frame)

    first = once()
    assert (first.user_id, first.key) == (user_id, "k")
    assert once(ref="again") == first
    for changed in ({"content": "y"}, {"thread_id": str(uuid4())}, {"metadata": {"a": 2}}, {"busy": "reject"}):
        assert once(**changed).fingerprint != first.fingerprint
    assert once(idempotency_key=None) is None


def test_ids_are_ids() -> None:
    frame = read(json.dumps({"type": "cancel", "message_id": ID}))
    assert isinstance(frame, Cancel)
    assert frame.message_id == UUID(ID)
