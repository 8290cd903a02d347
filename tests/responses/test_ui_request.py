from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from app.chat.errors import InvalidField
from app.responses.ui_request import Body
from tests.responses.told import PIXEL, short_messages

__all__ = ["short_messages"]  # a fixture


pytestmark = pytest.mark.usefixtures("short_messages")


def said(role: str, *parts: dict[str, Any] | str, id_: str = "m") -> dict[str, Any]:
    whole = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"id": id_, "role": role, "parts": whole}


def body(*messages: dict[str, Any], **more: Any) -> Body:
    return Body.model_validate({"id": "chat", "messages": list(messages), **more})


def test_words_and_images_are_one_item() -> None:
    shown = {"type": "file", "mediaType": "image/png", "filename": "dot.png", "url": PIXEL}
    [item] = body(said("user", "What", shown, "is this?")).items(0)
    assert (item.role, item.content) == ("user", "What\nis this?")
    assert [(one.media_type, one.name) for one in item.attachments] == [("image/png", "dot.png")]


def test_an_image_on_the_web_is_refused_by_its_place() -> None:
    shown = {"type": "file", "mediaType": "image/png", "url": "https://example.com/dot.png"}
    with pytest.raises(InvalidField) as raised:
        body(said("user", "What", shown)).items(0)
    assert raised.value.field == "messages.0.parts.1.url"


def test_a_call_that_the_page_executed_comes_with_its_outcome() -> None:
    done = {"type": "tool-ask", "toolCallId": "c1", "state": "output-available", "input": {"q": 1}, "output": {"a": 2}}
    failed = {
        "type": "dynamic-tool",
        "toolName": "see",
        "toolCallId": "c2",
        "state": "output-error",
        "input": {},
        "errorText": "Dark.",
    }
    ours = done | {"toolCallId": "c3", "providerExecuted": True}
    items = body(said("user", "x"), said("assistant", "Wait.", done, failed, ours), said("user", "y")).items(1)
    assert [(item.role, item.content, item.call_id) for item in items] == [
        ("assistant", "Wait.", None),
        ("tool", '{"a": 2}', "c1"),
        ("tool", "Dark.", "c2"),
        ("user", "y", None),
    ]
    assert [(one.call_id, one.name, one.arguments) for one in items[0].calls] == [
        ("c1", "ask", '{"q": 1}'),
        ("c2", "see", "{}"),
    ]


def test_what_says_nothing_to_a_model_is_left_alone() -> None:
    parts = ({"type": "step-start"}, {"type": "data-weather", "data": 1}, {"type": "reasoning", "text": "Hm"})
    items = body(said("assistant", *parts, "Yes."), said("user", "x")).items(0)
    assert [item.content for item in items] == ["Yes.", "x"]


def test_what_is_asked_stands_behind_the_last_answer() -> None:
    answer = str(uuid4())
    asked = body(said("user", "1"), said("assistant", "2", id_=answer), said("user", "3"), said("user", "4"))
    assert asked.answered == 2
    assert str(asked.said[asked.answered - 1].reply_id) == answer
    assert [item.content for item in asked.items(asked.answered)] == ["3", "4"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"messages": [said("assistant", "x")]},
        {"messages": [said("user", "x")], "trigger": "resume"},
        {"messages": [said("user", "x")], "temprature": 1},
        {"messages": [said("user", "x")], "temperature": "1"},
        {"messages": [{"role": "user", "content": "x"}]},
        {"messages": [said("user", "x")], "id": ""},
        {"messages": [said("user", " ")]},
        {"messages": [said("user", {"type": "step-start"})]},
        {"messages": [said("user", "x" * 1_001), said("assistant", "y"), said("user", "z")]},
    ],
)
def test_a_request_of_another_shape_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Body.model_validate({"id": "chat", **wrong})
