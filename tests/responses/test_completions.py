"""Chat completions by OpenAI's own SDK against a running server."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx2 as httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from pydantic import BaseModel

from tests.responses.completing import MODEL, SLOW, listed, user
from tests.responses.served import Caller, caller
from tests.responses.told import PIXEL
from tests.support.stack import Stack, until

__all__ = ["caller"]  # a fixture

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def text(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_a_completion_is_a_reply_in_a_thread_of_its_own(caller: Caller) -> None:
    made = caller.openai.chat.completions.create(
        model=MODEL, messages=[{"role": "system", "content": "Be brief."}, user("Hello there")], metadata={"a": "b"}
    )
    [choice] = made.choices
    assert (choice.message.content, choice.finish_reason, made.model) == ("Hello there", "stop", MODEL)
    assert made.usage is not None
    assert made.usage.completion_tokens > 0
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens
    behind = caller.behind(made.id)
    assert behind["content"] == "Hello there"
    assert behind["metadata"] == {"a": "b"}
    assert ("assistant", "Hello there") in caller.texts(behind["thread_id"])
    assert listed(caller) == []


def test_one_that_is_stored_is_listed(caller: Caller) -> None:
    made = caller.openai.chat.completions.create(model=MODEL, messages=[user("Hello")], store=True)
    assert listed(caller) == [caller.behind(made.id)["thread_id"]]


def test_what_was_said_before_is_shown_to_the_model(caller: Caller) -> None:
    history: list[ChatCompletionMessageParam] = [user("one"), {"role": "assistant", "content": "two"}, user("!heard")]
    made = caller.openai.chat.completions.create(model=MODEL, messages=history)
    assert made.choices[0].message.content == "!heard"
    texts = caller.texts(caller.behind(made.id)["thread_id"])
    assert [content for _, content in texts] == ["one", "two", "!heard", "!heard"]


async def _streamed(caller: Caller) -> list[ChatCompletionChunk]:
    async with AsyncOpenAI(base_url=f"{caller.url}/v1", api_key=caller.key) as client:
        chunks = await client.chat.completions.create(
            model=MODEL, messages=[user("Hello there")], stream=True, stream_options={"include_usage": True}
        )
        return [chunk async for chunk in chunks]


def test_an_async_stream_brings_text_reason_and_usage_in_this_order(caller: Caller) -> None:
    chunks = asyncio.run(_streamed(caller))
    assert text(chunks) == "Hello there"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    behind = caller.behind(chunks[0].id)
    assert chunks[-1].usage.total_tokens == behind["total_tokens"]
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_the_sdks_own_stream_reader_is_content_with_it(caller: Caller) -> None:
    with caller.openai.chat.completions.stream(model=MODEL, messages=[user("Hello there")]) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content == "Hello there"


class Weather(BaseModel):
    city: str
    degrees: int


def test_a_schema_is_parsed_by_the_sdk(caller: Caller) -> None:
    made = caller.openai.chat.completions.parse(
        model=MODEL, messages=[user('{"city": "Oslo", "degrees": 3}')], response_format=Weather
    )
    assert made.choices[0].message.parsed == Weather(city="Oslo", degrees=3)


@pytest.mark.parametrize("streamed", [False, True])
def test_functions_go_out_and_their_results_come_in(caller: Caller, streamed: bool) -> None:
    messages: list[Any] = [user('!tool weather {"city": "Oslo"}\n!tool weather {"city": "Rome"}')]
    if streamed:
        with caller.openai.chat.completions.stream(model=MODEL, messages=messages, tools=[WEATHER]) as stream:
            stream.until_done()
            choice: Any = stream.get_final_completion().choices[0]
    else:
        choice = caller.openai.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER]).choices[0]
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls
    assert [(call.function.name, call.function.arguments) for call in calls] == [
        ("weather", '{"city": "Oslo"}'),
        ("weather", '{"city": "Rome"}'),
    ]
    messages.append(choice.message.model_dump(exclude_none=True))
    messages += [{"role": "tool", "tool_call_id": call.id, "content": f"{call.id}: rain"} for call in calls]
    answered = caller.openai.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    said = answered.choices[0].message.content
    assert said is not None
    assert said.split("\n") == [f"{call.id}: rain" for call in calls]


def test_an_image_comes_inline(caller: Caller) -> None:
    parts = [{"type": "text", "text": "!attached"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    made = caller.openai.chat.completions.create(model=MODEL, messages=[user(parts)])
    assert (made.choices[0].message.content or "").startswith("image/png ")


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_text_that_was_cut_says_why(caller: Caller, reason: str) -> None:
    made = caller.openai.chat.completions.create(model=MODEL, messages=[user(f"one two\n!finish {reason}")])
    assert (made.choices[0].message.content, made.choices[0].finish_reason) == ("one two", reason)


def test_an_idempotency_key_finds_the_same_reply_streamed_or_whole(caller: Caller) -> None:
    asked: Any = {"model": MODEL, "messages": [user("Hello")], "extra_headers": {"Idempotency-Key": "k1"}}
    first = caller.openai.chat.completions.create(**asked)
    assert caller.openai.chat.completions.create(**asked).id == first.id
    with pytest.raises(openai.UnprocessableEntityError) as raised:
        caller.openai.chat.completions.create(**asked, temperature=0.5)
    assert raised.value.code == "idempotency_key_reused"
    streamed: Any = asked | {"stream": True, "extra_headers": {"Idempotency-Key": "k2"}}
    one, two = ([*caller.openai.chat.completions.create(**streamed)] for _ in range(2))
    assert one[0].id == two[0].id
    assert text(one) == text(two) == "Hello"


@pytest.mark.parametrize(
    ("asked", "kind", "code", "param"),
    [
        ({"model": "nobody/nothing"}, openai.BadRequestError, "model_not_found", "model"),
        ({"n": 2}, openai.BadRequestError, "unsupported_parameter", "n"),
        ({"extra_body": {"temprature": 1}}, openai.BadRequestError, "unknown_parameter", "temprature"),
        ({"messages": []}, openai.BadRequestError, "invalid_value", "messages"),
        ({"messages": [user("x"), {"role": "assistant", "content": "y"}]}, openai.BadRequestError, None, "messages"),
        ({"messages": [user("!error 400")]}, openai.BadRequestError, "provider_refused", None),
        ({"messages": [user("!error 401")]}, openai.InternalServerError, "provider_unauthorized", None),
    ],
)
def test_errors_are_of_the_sdks_own_kinds(
    caller: Caller, asked: dict[str, Any], kind: type[openai.APIStatusError], code: str | None, param: str | None
) -> None:
    with pytest.raises(kind) as raised:
        caller.openai.chat.completions.create(**({"model": MODEL, "messages": [user("x")]} | asked))
    assert code in {None, raised.value.code}
    assert (raised.value.param or "").startswith(param or "")


def test_a_failure_once_it_streams_is_an_error_of_the_stream(caller: Caller) -> None:
    chunks = caller.openai.chat.completions.create(model=MODEL, messages=[user("one two\n!error 400")], stream=True)
    got = list[ChatCompletionChunk]()
    with pytest.raises(openai.APIError) as raised:
        got.extend(chunks)
    assert raised.value.code == "provider_refused"


def test_a_cancelled_reply_is_a_conflict_that_nobody_repeats(caller: Caller) -> None:
    def cancel() -> None:
        thread = until(lambda: listed(caller))[0]
        last = caller.api.get(f"/api/threads/{thread}").json()["last_message"]
        caller.api.post(f"/api/messages/{last['id']}/cancel", json={})

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(openai.ConflictError) as raised:
        caller.openai.chat.completions.create(model=MODEL, messages=[user(SLOW)], store=True)
    canceller.join()
    assert raised.value.code == "cancelled"
    assert raised.value.response.headers["x-should-retry"] == "false"


def test_without_a_key_nobody_comes_in(stack: Stack, caller: Caller) -> None:
    with pytest.raises(openai.AuthenticationError):
        caller.openai.with_options(api_key="hf_wrong").chat.completions.create(model=MODEL, messages=[user("x")])
    assert httpx.post(f"{stack.url}/v1/chat/completions", json={}).status_code == 401


def test_a_stream_is_plain_server_sent_events(stack: Stack, caller: Caller) -> None:
    answer = caller.api.post("/v1/chat/completions", json={"model": MODEL, "messages": [user("Hi")], "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.split("\n\n")[-2:] == ["data: [DONE]", ""]
