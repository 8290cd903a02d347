from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from app.chat.errors import InvalidField
from app.responses.complaints import Complaint, told
from app.responses.completions_request import HARMLESS, NEUTRAL, Body
from tests.responses.told import PIXEL, short_messages

__all__ = ["short_messages"]  # a fixture

HELLO = {"role": "user", "content": "hello"}


pytestmark = pytest.mark.usefixtures("short_messages")


def body(*messages: dict[str, Any], **more: Any) -> Body:
    return Body.model_validate({"model": "scripted/echo", "messages": list(messages or [HELLO]), **more})


def read(more: dict[str, Any]) -> None:
    asked = Body.model_validate({"model": "scripted/echo", "messages": [HELLO], **more})
    asked.items()
    asked.parameters()


def refused(**more: Any) -> dict[str, Any]:
    """The error that a request is refused with."""
    with pytest.raises((Complaint, ValidationError, InvalidField)) as raised:
        read(more)
    return told(raised.value).error


def test_every_role_is_an_item_in_its_order() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "kind."}]},
        HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call], "audio": None, "annotations": []},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "done"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "assistant", "refusal": "No."},
    ]
    assert [(item.role, item.content, item.call_id) for item in body(*messages).items()] == [
        ("system", "Be brief.", None),
        ("system", "Be\nkind.", None),
        ("user", "hello", None),
        ("assistant", "", None),
        ("tool", "done", "c1"),
        ("assistant", "No.", None),
        ("assistant", "No.", None),
    ]
    [made] = body(*messages).items()[3].calls
    assert (made.call_id, made.name, made.arguments) == ("c1", "f", "{}")


def test_images_and_files_come_inline() -> None:
    parts = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}},
    ]
    [item] = body({"role": "user", "content": parts}).items()
    assert item.content == "Look:"
    assert [(one.media_type, one.name) for one in item.attachments][1] == ("text/plain", "a.txt")


def test_parameters_are_those_of_a_reply_and_offer_none_of_our_tools() -> None:
    schema = {"name": "s", "schema": {"type": "object"}, "strict": True}
    asked = body(
        temperature=0.5,
        top_p=0.9,
        max_completion_tokens=7,
        max_tokens=9,
        stop="END",
        parallel_tool_calls=False,
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        response_format={"type": "json_schema", "json_schema": schema},
    ).parameters()
    assert asked == {
        "model": "scripted/echo",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 7,
        "stop": ["END"],
        "functions": [{"name": "f", "description": None, "parameters": {"type": "object"}, "strict": None}],
        "tool_choice": {"name": "f"},
        "parallel_tool_calls": False,
        "text_format": {"type": "json_schema", "description": None, **schema},
        "tools": [],
        "background": False,
    }


def test_a_choice_among_allowed_tools_offers_only_those() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
    among = {"mode": "required", "tools": [tools[1]]}
    asked = body(tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": among}).parameters()
    assert [function["name"] for function in asked["functions"]] == ["g"]
    assert asked["tool_choice"] == "required"


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_what_changes_nothing_is_taken(name: str) -> None:
    assert body(**{name: "anything"}).parameters() == body().parameters()


@pytest.mark.parametrize(("name", "neutral"), [(name, value) for name, values in NEUTRAL.items() for value in values])
def test_what_would_change_the_answer_is_taken_where_it_does_not(name: str, neutral: Any) -> None:
    assert body(**{name: neutral}).parameters() == body(**{name: None}).parameters() == body().parameters()


@pytest.mark.parametrize("name", sorted(NEUTRAL))
def test_what_would_change_the_answer_is_refused_by_name(name: str) -> None:
    error = refused(**{name: [{"other": 1}]})
    assert (error["param"], error["code"]) == (name, "unsupported_parameter")


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"temprature": 1}, "temprature"),
        ({"temperature": "1"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": ["1", "2", "3", "4", "5"]}, "stop"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": "x" * 1_001}]}, "messages[0].user.content[0].text.text"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool.tool_call_id"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].user.content[0]"),
    ],
)
def test_a_request_of_another_shape_is_refused_by_its_place(more: dict[str, Any], param: str) -> None:
    assert refused(**more)["param"] == param
