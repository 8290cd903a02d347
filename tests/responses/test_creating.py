"""Responses in all four modes by OpenAI's SDK, and the same rows through /api."""

from __future__ import annotations

import time
from typing import Any

import httpx2 as httpx
import pytest
from openai import APIError, AsyncOpenAI, NotFoundError, OpenAI
from openai.types.responses import Response
from pydantic import BaseModel

from tests.responses.conftest import Run
from tests.responses.reading import Reader
from tests.support.stack import Stack, until

ECHO = "scripted/echo"
SLOW = "!delay 0.02\n!words 40"
WORDS = " ".join(f"w{number}" for number in range(1, 41))
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather of a place",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    "strict": True,
}


def uuid_of(id_: str) -> str:
    """The id of the same thing in /api."""
    digits = id_.partition("_")[2]
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def test_a_response_is_answered_when_it_is_written(client: OpenAI, raw: httpx.Client) -> None:
    response = client.responses.create(
        model=ECHO, input="Hello there", instructions="Be brief.", metadata={"tag": "a"}, temperature=0.5, top_p=0.9
    )
    assert response.object == "response"
    assert response.status == "completed"
    assert response.output_text == "Hello there"
    assert response.model == ECHO
    assert (response.instructions, response.metadata) == ("Be brief.", {"tag": "a"})
    assert (response.temperature, response.top_p, response.background) == (0.5, 0.9, False)
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0
    assert response.completed_at is not None
    assert response.created_at <= response.completed_at
    [item] = response.output
    assert (item.type, item.status) == ("message", "completed")
    assert client.responses.retrieve(response.id) == response
    seen = raw.get(f"/api/messages/{uuid_of(response.id)}").json()
    assert (seen["content"], seen["status"], seen["metadata"]) == ("Hello there", "completed", {"tag": "a"})
    assert response.conversation is not None
    assert seen["thread_id"] == uuid_of(response.conversation.id)


def test_a_background_response_is_polled(client: OpenAI) -> None:
    response = client.responses.create(model=ECHO, input=SLOW, background=True)
    assert (response.status, response.background, response.output) == ("queued", True, [])
    seen: set[str | None] = set()

    def is_done() -> Response | None:
        found = client.responses.retrieve(response.id)
        seen.add(found.status)
        return found if found.status == "completed" else None

    done = until(is_done)
    assert done.output_text == WORDS
    assert "in_progress" in seen


@pytest.mark.parametrize("background", [False, True])
def test_a_stream_says_everything_in_order(client: OpenAI, background: bool) -> None:
    with client.responses.create(model=ECHO, input=SLOW, stream=True, background=background) as stream:
        reader = Reader().read(stream)
    opening = ["response.created", "response.queued", "response.in_progress"]
    if not background:
        opening.remove("response.queued")
    assert reader.types[: len(opening)] == opening
    assert reader.types[len(opening) : len(opening) + 2] == [
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert reader.types[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert reader.final is not None
    assert reader.final.output_text == reader.text == WORDS
    assert client.responses.retrieve(reader.final.id) == reader.final


def test_without_a_crash_numbers_grow_by_one(client: OpenAI) -> None:
    with client.responses.create(model=ECHO, input=SLOW, stream=True) as stream:
        numbers = [event.sequence_number for event in stream]
    assert numbers == list(range(len(numbers)))


def test_the_asynchronous_client_does_the_same(run: Run[Any]) -> None:
    async def work(client: AsyncOpenAI) -> tuple[Response, Response, Reader]:
        whole = await client.responses.create(model=ECHO, input="one")
        reader = Reader()
        async for event in await client.responses.create(model=ECHO, input=SLOW, stream=True):
            reader.take(event)
        async with client.responses.stream(model=ECHO, input="three") as stream:
            final = await stream.get_final_response()
        return whole, final, reader

    whole, final, reader = run(work)
    assert (whole.output_text, final.output_text, reader.text) == ("one", "three", WORDS)


def test_the_stream_helper_accumulates_the_same(client: OpenAI) -> None:
    with client.responses.stream(model=ECHO, input=SLOW) as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert snapshots[-1] == final.output_text == WORDS


class Point(BaseModel):
    x: int
    y: int


def test_structured_answers_are_parsed(client: OpenAI, run: Run[Any]) -> None:
    answer = '{"x": 1, "y": 2}'
    parsed = client.responses.parse(model=ECHO, input=answer, text_format=Point)
    assert parsed.output_parsed == Point(x=1, y=2)
    assert parsed.text is not None
    assert parsed.text.format is not None
    assert parsed.text.format.type == "json_schema"
    with client.responses.stream(model=ECHO, input=answer, text_format=Point) as stream:
        assert stream.get_final_response().output_parsed == Point(x=1, y=2)

    async def work(client: AsyncOpenAI) -> Any:
        return (await client.responses.parse(model=ECHO, input=answer, text_format=Point)).output_parsed

    assert run(work) == Point(x=1, y=2)


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


def test_conversations_go_on_from_a_response(client: OpenAI) -> None:
    first = client.responses.create(model=ECHO, input="one")
    second = client.responses.create(model=ECHO, input="two", previous_response_id=first.id)
    branch = client.responses.create(model=ECHO, input="three", previous_response_id=first.id)
    assert first.conversation == second.conversation == branch.conversation
    assert (second.output_text, branch.output_text) == ("two", "three")


def test_reasoning_is_an_item_of_its_own(client: OpenAI) -> None:
    with client.responses.create(model=ECHO, input="!reason because of this\nSo it is.", stream=True) as stream:
        reader = Reader().read(stream)
    assert reader.final is not None
    reasoning, message = reader.final.output
    assert (reasoning.type, message.type) == ("reasoning", "message")
    assert reasoning.content is not None
    assert "".join(part.text for part in reasoning.content) == "because of this"
    assert reader.final.output_text == "So it is."
    assert "response.reasoning_text.delta" in reader.types
    assert reader.types.index("response.reasoning_text.done") < reader.types.index("response.output_text.delta")


@pytest.mark.parametrize(
    ("script", "last", "status", "reason"),
    [
        ("Not all of it\n!finish length", "response.incomplete", "incomplete", "max_output_tokens"),
        ("I would rather not\n!finish content_filter", "response.incomplete", "incomplete", "content_filter"),
        ("Some\n!error 400", "response.failed", "failed", None),
    ],
)
def test_every_end_has_its_event(client: OpenAI, script: str, last: str, status: str, reason: str | None) -> None:
    with client.responses.create(model=ECHO, input=script, stream=True) as stream:
        reader = Reader().read(stream)
    assert reader.types[-1] == last
    final = reader.final
    assert final is not None
    assert final.status == status
    assert (final.incomplete_details.reason if final.incomplete_details else None) == reason
    if reason is None:
        assert final.error is not None
        assert final.error.code == "invalid_prompt"
        assert final.error.message
    else:
        assert final.output[-1].status == "incomplete"  # type: ignore[union-attr]
    assert client.responses.retrieve(final.id) == final


def test_cancelling_ends_a_stream(client: OpenAI) -> None:
    stream = client.responses.create(model=ECHO, input="!delay 0.05\n!words 2000", stream=True, background=True)
    reader = Reader().read(stream, most=8)
    assert reader.first is not None
    id_ = reader.first.id
    client.responses.cancel(id_)
    reader.read(stream)
    assert reader.final is not None
    assert (reader.final.id, reader.final.status) == (id_, "cancelled")
    assert reader.types[-1] == "response.incomplete"
    again = client.responses.cancel(id_)
    assert again == reader.final == client.responses.retrieve(id_)
    assert again.output_text == reader.text != ""


def test_a_response_that_has_ended_stays_as_it_ended(client: OpenAI) -> None:
    response = client.responses.create(model=ECHO, input="done")
    assert client.responses.cancel(response.id) == response


def test_a_deleted_response_is_no_more(client: OpenAI) -> None:
    response = client.responses.create(model=ECHO, input="done")
    client.responses.delete(response.id)
    for gone in (client.responses.retrieve, client.responses.cancel, client.responses.delete):
        with pytest.raises(NotFoundError):
            gone(response.id)


def test_what_is_not_stored_is_gone_at_its_end(client: OpenAI, raw: httpx.Client) -> None:
    response = client.responses.create(model=ECHO, input="forget me", store=False)
    assert response.output_text == "forget me"
    with pytest.raises(NotFoundError):
        client.responses.retrieve(response.id)
    assert raw.get("/api/threads").json()["data"] == []


def test_input_items_are_listed_in_pages(client: OpenAI) -> None:
    given: Any = [{"role": "user", "content": f"number {number}"} for number in range(5)]
    response = client.responses.create(model=ECHO, input=given)
    newest = client.responses.input_items.list(response.id, limit=2)
    assert len(newest.data) == 2
    assert newest.has_more
    texts = [item.content[0].text for item in client.responses.input_items.list(response.id, limit=2, order="asc")]
    assert texts == [f"number {number}" for number in range(5)]


def test_images_and_files_come_inline(client: OpenAI) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    parts: Any = [
        {"type": "input_text", "text": "!attached"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{pixel}", "detail": "auto"},
    ]
    response = client.responses.create(model=ECHO, input=[{"role": "user", "content": parts}])
    assert response.output_text.startswith("image/png ")
    [item] = client.responses.input_items.list(response.id, include=["message.input_image.image_url"])
    text, image = item.content
    assert (text.type, image.type) == ("input_text", "input_image")
    assert image.image_url == f"data:image/png;base64,{pixel}"


def test_a_post_of_api_is_a_response_too(client: OpenAI, raw: httpx.Client) -> None:
    posted = raw.post("/api/messages", json={"content": SLOW, "model": ECHO}).json()
    id_ = "resp_" + posted["reply"]["id"].replace("-", "")
    with client.responses.retrieve(id_, stream=True) as stream:
        reader = Reader().read(stream)
    assert reader.text == WORDS
    assert reader.final is not None
    assert reader.final.background


def test_a_repeated_request_of_the_sdk_finds_the_first_one(client: OpenAI) -> None:
    asked: dict[str, Any] = {"model": ECHO, "input": f"once {time.time()}"}
    first = client.responses.create(**asked)
    again = client.responses.create(**asked, extra_headers={"x-stainless-retry-count": "1"})
    other = client.responses.create(**asked)
    assert again == first
    assert other.id != first.id


def test_an_idempotency_key_gets_the_same_answer(client: OpenAI, raw: httpx.Client) -> None:
    for more in ({}, {"background": True}, {"stream": True}):
        asked = {"model": ECHO, "input": "once", **more}
        headers = {"Idempotency-Key": f"key {sorted(more)}"}
        first, again = (raw.post("/v1/responses", json=asked, headers=headers) for _ in range(2))
        assert first.status_code == again.status_code == 200
        assert first.content == again.content
        refused = raw.post("/v1/responses", json=asked | {"input": "other"}, headers=headers)
        assert refused.status_code == 422
        assert refused.json()["error"]["code"] == "idempotency_key_reused"


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


def test_a_revoked_key_ends_its_streams(client: OpenAI, raw: httpx.Client, stack: Stack) -> None:
    key = raw.post("/api/keys", json={"name": "short"}).json()
    with (
        OpenAI(base_url=f"{stack.url}/v1", api_key=key["key"], max_retries=0) as mine,
        mine.responses.create(model=ECHO, input="!delay 0.05\n!words 1000", stream=True) as stream,
    ):
        reader = Reader().read(stream, most=5)
        assert raw.delete(f"/api/keys/{key['id']}").status_code == 204
        began = time.monotonic()
        with pytest.raises(APIError) as ended:
            reader.read(stream)
    assert time.monotonic() - began < 5
    assert ended.value.code == "interrupted"
    assert reader.first is not None
    assert client.responses.cancel(reader.first.id).status == "cancelled"


def test_models_are_listed_and_found(client: OpenAI) -> None:
    assert ECHO in [model.id for model in client.models.list()]
    assert client.models.retrieve(ECHO).owned_by == "scripted"
    with pytest.raises(NotFoundError):
        client.models.retrieve("nobody/nothing")
