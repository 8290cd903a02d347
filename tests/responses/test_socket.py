"""WS /v1/responses by `client.responses.connect()`, and by hand for what the SDK would not send."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx2 as httpx
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.lib.responses_websocket import AsyncResponsesWebSocketSession, ResponsesWebSocketLimits
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.responses.conftest import Run
from tests.responses.reading import Reader
from tests.support.stack import Stack, until

ECHO = "scripted/echo"
SLOW = "!delay 0.02\n!words 30"
WORDS = " ".join(f"w{number}" for number in range(1, 31))


@contextmanager
def by_hand(stack: Stack, raw: httpx.Client, **headers: str) -> Iterator[ClientConnection]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    mine = {"Authorization": raw.headers["Authorization"], **named}
    with connect(f"{stack.url.replace('http', 'ws')}/v1/responses", additional_headers=mine) as connection:
        yield connection


def ending(connection: ClientConnection) -> int | None:
    """The code with which the server closes it, whatever it says before."""
    while connection.close_code is None:
        with suppress(ConnectionClosed):
            connection.recv(10)
    return connection.close_code


def said(connection: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(connection.recv(10)))


def test_a_response_is_made_over_a_connection(client: OpenAI) -> None:
    with client.responses.connect() as connection:
        connection.response.create(model=ECHO, input=SLOW)
        reader = Reader()
        while reader.final is None:
            reader.take(connection.recv())
        connection.response.create(model=ECHO, input="and on", previous_response_id=reader.final.id)
        again = Reader()
        while again.final is None:
            again.take(connection.recv())
    assert reader.text == WORDS
    assert again.final.previous_response_id == reader.final.id
    assert again.text == "and on"
    assert client.responses.retrieve(reader.final.id).output_text == WORDS


def test_what_is_not_stored_is_gone_on_from_on_its_connection_only(client: OpenAI) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    image: Any = {"type": "input_image", "image_url": f"data:image/png;base64,{pixel}", "detail": "auto"}
    asked: Any = [{"role": "user", "content": [{"type": "input_text", "text": '!tool f {"a": 1}'}, image]}]
    tool: Any = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}
    with client.responses.connect() as connection:
        connection.response.create(model=ECHO, input=asked, tools=[tool], store=False)
        first = Reader()
        while first.final is None:
            first.take(connection.recv())
        call = next(item for item in first.final.output if item.type == "function_call")
        output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny"}
        connection.response.create(
            model=ECHO, input=[output], tools=[tool], previous_response_id=first.final.id, store=False
        )
        second = Reader()
        while second.final is None:
            second.take(connection.recv())
    assert "Sunny" in second.final.output_text
    assert second.final.previous_response_id == first.final.id
    with client.responses.connect() as other:
        other.response.create(model=ECHO, input="on", previous_response_id=first.final.id)
        refused = other.recv()
    assert refused.type == "error"
    assert refused.error.code == "previous_response_not_found"


def test_lanes_run_beside_each_other(run: Run[Any]) -> None:
    async def work(client: AsyncOpenAI) -> list[str]:
        async with client.responses.connect() as connection:
            limits = ResponsesWebSocketLimits(
                max_lanes=4, max_events_per_lane=999, max_events=9_999, max_bytes_per_lane=9**8, max_bytes=9**9
            )
            async with AsyncResponsesWebSocketSession(connection, limits=limits) as session:
                lanes = [session.lane(name) for name in ("a", "b")]
                for lane in lanes:
                    await lane.send({"type": "response.create", "model": ECHO, "input": SLOW})
                return [(await lane.get_final_response()).output_text for lane in lanes]

    assert run(work) == [WORDS, WORDS]


def test_leaving_the_connection_stops_nothing(client: OpenAI) -> None:
    with client.responses.connect() as connection:
        connection.response.create(model=ECHO, input=SLOW)
        created: Any = connection.recv()
    until(lambda: client.responses.retrieve(created.response.id).status == "completed")
    assert client.responses.retrieve(created.response.id).output_text == WORDS


@pytest.mark.parametrize(
    ("frame", "param", "code"),
    [
        ("{", None, "malformed_json"),
        ("[]", None, None),
        ("[" * 50_000, None, "malformed_json"),
        ('{"type": "response.dance"}', "type", "unknown_command"),
        ("{}", "type", "unknown_command"),
        (b"\x00\x01", None, "unsupported_media_type"),
        ('{"type": "response.create", "model": "scripted/echo"}', "input", "missing_required_parameter"),
        ('{"type": "response.create", "model": "a/b", "input": "x"}', "model", "model_not_found"),
        ('{"type": "response.create", "model": "scripted/echo", "input": "x", "what": 1}', "what", "unknown_parameter"),
        (
            '{"type": "response.create", "model": "scripted/echo", "input": "x", "generate": false}',
            "generate",
            "unsupported_parameter",
        ),
        ('{"type": "response.create", "stream_id": "a b"}', "stream_id", "invalid_stream_id"),
        ('{"type": "response.create", "model": "scripted/echo", "input": "\\ud800"}', None, None),
    ],
)
def test_a_bad_frame_is_told_why_and_the_connection_goes_on(
    stack: Stack, raw: httpx.Client, frame: str | bytes, param: str | None, code: str | None
) -> None:
    with by_hand(stack, raw) as connection:
        connection.send(frame)
        told = said(connection)
        assert told["type"] == "error"
        assert 400 <= told["status"] < 500
        assert (told["error"]["param"], told["error"]["code"]) == (param, code)
        connection.send(json.dumps({"type": "response.create", "model": ECHO, "input": "good", "stream_id": "x"}))
        assert (created := said(connection))["type"] == "response.created"
        assert created["stream_id"] == "x"


def test_bad_frames_one_after_the_other_end_it(stack: Stack, raw: httpx.Client) -> None:
    with by_hand(stack, raw) as connection:
        for _ in range(12):
            connection.send("{")
        assert ending(connection) == 1008


def test_a_frame_that_is_too_long_is_refused(stack: Stack, raw: httpx.Client) -> None:
    with by_hand(stack, raw) as connection:
        connection.send("x" * 2_100_000)
        assert said(connection)["error"]["code"] == "payload_too_large"


def test_steering_is_refused_in_the_words_of_the_protocol(client: OpenAI) -> None:
    with client.responses.connect() as connection:
        connection.response.steer(input="no, the other way", previous_response_id="resp_1")
        refused: Any = connection.recv()
    assert refused.type == "response.steer.failed"
    assert refused.error.code == "steering_not_supported"
    assert refused.steer.previous_response_id == "resp_1"


def test_there_are_so_many_lanes(stack: Stack, raw: httpx.Client) -> None:
    with by_hand(stack, raw) as connection:
        for number in range(33):
            asked = {"type": "response.create", "model": ECHO, "input": "!delay 60\nlate", "stream_id": str(number)}
            connection.send(json.dumps(asked))
        while (event := said(connection))["type"] != "error":
            assert event["type"] in {"response.created", "response.in_progress"}
        assert event["error"]["code"] == "websocket_stream_limit_reached"
        assert event["stream_id"] == "32"


def test_the_key_is_looked_at_and_no_other_sites_page_comes_in(stack: Stack, raw: httpx.Client) -> None:
    for headers, status in (({"Authorization": "Bearer hf_no"}, 401), ({"Origin": "https://evil.example"}, 403)):
        with pytest.raises(InvalidStatus) as refused, by_hand(stack, raw, **headers):
            pass
        assert refused.value.response.status_code == status
        assert "error" in json.loads(refused.value.response.body or b"{}")
    answer = raw.get("/v1/responses")
    assert answer.status_code == 426
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_revoked_key_ends_it(stack: Stack, raw: httpx.Client) -> None:
    key = raw.post("/api/keys", json={"name": "short"}).json()
    with by_hand(stack, raw, Authorization=f"Bearer {key['key']}") as connection:
        assert raw.delete(f"/api/keys/{key['id']}").status_code == 204
        began = time.monotonic()
        assert ending(connection) == 1008
        assert time.monotonic() - began < 5
