"""Tools in responses: functions that the client executes, and our own."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx
from openai import OpenAI

from tests.responses.reading import Reader, uuid_of

ECHO = "scripted/echo"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather of a place",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    "strict": True,
}


def test_a_function_is_called_by_us_and_executed_by_the_client(client: OpenAI, raw: httpx.Client) -> None:
    asked = client.responses.create(
        model=ECHO, input='Let me see.\n!tool get_weather {"place": "Kyiv"}', tools=[WEATHER]
    )
    assert asked.status == "completed"
    text, call = asked.output
    assert text.type == "message"
    assert call.type == "function_call"
    assert (call.name, call.arguments, call.status) == ("get_weather", '{"place": "Kyiv"}', "completed")
    assert asked.tools[0].to_dict() == WEATHER
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny"}
    answered = client.responses.create(model=ECHO, previous_response_id=asked.id, input=[output], tools=[WEATHER])
    assert answered.status == "completed"
    assert "Sunny" in answered.output_text
    assert answered.previous_response_id == asked.id
    assert [item.type for item in client.responses.input_items.list(answered.id)] == ["function_call_output"]
    path = raw.get(f"/api/messages/{uuid_of(answered.id)}").json()
    roles = [one["role"] for one in raw.get(f"/api/threads/{path['thread_id']}/messages").json()["data"]]
    assert roles == ["user", "assistant", "tool", "assistant"]


def test_function_calls_are_streamed(client: OpenAI) -> None:
    script = '!tool get_weather {"place": "Kyiv"}\n!tool get_weather {"place": "Lviv"}'
    with client.responses.stream(model=ECHO, input=script, tools=[WEATHER]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    calls = [item for item in final.output if item.type == "function_call"]
    assert [call.arguments for call in calls] == ['{"place": "Kyiv"}', '{"place": "Lviv"}']
    assert len({call.call_id for call in calls}) == 2
    one = [event.type.removeprefix("response.") for event in events if getattr(event, "output_index", None) == 0]
    assert one == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]


def test_a_stateless_client_sends_everything_back(client: OpenAI) -> None:
    items: list[Any] = [{"role": "user", "content": '!tool get_weather {"place": "Kyiv"}'}]
    asked = client.responses.create(model=ECHO, input=items, tools=[WEATHER], store=False)
    items += [item.to_dict() for item in asked.output]
    call = next(item for item in asked.output if item.type == "function_call")
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "Rain"})
    answered = client.responses.create(model=ECHO, input=items, tools=[WEATHER], store=False)
    assert "Rain" in answered.output_text


def test_our_own_tools_are_shown_as_calls_of_a_server(client: OpenAI) -> None:
    ours: Any = [{"type": "mcp", "server_label": "holdfast", "allowed_tools": ["calculator"]}]
    script = '!tool calculator {"expression": "6*7"}'
    with client.responses.create(model=ECHO, input=script, tools=ours, stream=True) as stream:
        reader = Reader().read(stream)
    assert reader.final is not None
    call = next(item for item in reader.final.output if item.type == "mcp_call")
    assert (call.server_label, call.name, call.status, call.error) == ("holdfast", "calculator", "completed", None)
    assert "42" in str(call.output)
    assert "42" in reader.final.output_text
    about = [type_ for type_ in reader.types if "mcp" in type_]
    assert about == [
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
    ]


def test_without_tools_in_the_request_none_of_ours_is_offered(client: OpenAI) -> None:
    response = client.responses.create(model=ECHO, input='!tool calculator {"expression": "6*7"}')
    assert response.status == "failed"


def test_what_we_called_before_can_be_sent_back(client: OpenAI) -> None:
    ours: Any = [{"type": "mcp", "server_label": "holdfast", "allowed_tools": ["calculator"]}]
    items: list[Any] = [{"role": "user", "content": '!tool calculator {"expression": "6*7"}'}]
    first = client.responses.create(model=ECHO, input=items, tools=ours)
    items += [item.to_dict() for item in first.output] + [{"role": "user", "content": "and on"}]
    assert client.responses.create(model=ECHO, input=items).output_text == "and on"


def test_the_choice_of_tools_is_shown_as_it_was_given(client: OpenAI) -> None:
    other: Any = {**WEATHER, "name": "get_time"}
    only: Any = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_time"}]}
    one: Any = {"type": "function", "name": "get_time"}
    for choice in ("none", "required", one, only):
        made = client.responses.create(
            model=ECHO, input="hi", tools=[WEATHER, other], tool_choice=choice, parallel_tool_calls=False
        )
        shown = made.to_dict()
        assert shown["tool_choice"] == choice
        assert shown["tools"] == [WEATHER, other]
        assert shown["parallel_tool_calls"] is False


def test_a_function_that_is_not_allowed_is_not_offered(client: OpenAI) -> None:
    other: Any = {**WEATHER, "name": "get_time"}
    only: Any = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "get_time"}]}
    script = '!tool get_weather {"place": "Kyiv"}'
    made = client.responses.create(model=ECHO, input=script, tools=[WEATHER, other], tool_choice=only)
    assert [item for item in made.output if item.type == "function_call"] == []
