"""Responses in all four modes by OpenAI's SDK, and the same rows through /api."""

from __future__ import annotations

import time
from typing import Any

import httpx2 as httpx
import pytest
from openai import AsyncOpenAI, NotFoundError, OpenAI
from openai.types.responses import Response
from pydantic import BaseModel

from tests.responses.conftest import Run
from tests.responses.reading import Reader, uuid_of
from tests.support.stack import until

ECHO = "scripted/echo"
SLOW = "!delay 0.02\n!words 40"
WORDS = " ".join(f"w{number}" for number in range(1, 41))


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


def test_models_are_listed_and_found(client: OpenAI) -> None:
    assert ECHO in [model.id for model in client.models.list()]
    assert client.models.retrieve(ECHO).owned_by == "scripted"
    with pytest.raises(NotFoundError):
        client.models.retrieve("nobody/nothing")
