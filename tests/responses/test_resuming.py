"""Streams that are left and rejoined: gapless, nothing twice, long after the end, and over the death of workers."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai import APIError, AsyncOpenAI, BadRequestError, OpenAI
from redis import Redis
from websockets.exceptions import ConnectionClosed

from tests.conftest import MakeStack
from tests.responses.conftest import Run, sdk
from tests.responses.reading import Reader
from tests.support.stack import Stack, until

ECHO = "scripted/echo"
SLOW = "!delay 0.02\n!words 60"
WORDS = " ".join(f"w{number}" for number in range(1, 61))


def test_a_stream_that_was_left_goes_on_where_it_was(client: OpenAI) -> None:
    reader = Reader()
    with client.responses.create(model=ECHO, input=SLOW, stream=True) as stream:
        reader.read(stream, most=7)
    assert reader.first is not None
    while reader.final is None:
        with client.responses.retrieve(reader.first.id, stream=True, starting_after=reader.last) as stream:
            reader.read(stream, most=9)
    assert reader.text == reader.final.output_text == WORDS
    with client.responses.retrieve(reader.first.id, stream=True) as stream:
        whole = Reader().read(stream)
    assert whole.types == reader.types


def test_leaving_a_stream_stops_nothing(client: OpenAI) -> None:
    reader = Reader()
    with client.responses.create(model=ECHO, input=SLOW, stream=True) as stream:
        reader.read(stream, most=4)
    assert reader.first is not None
    id_ = reader.first.id
    until(lambda: client.responses.retrieve(id_).status == "completed")
    assert client.responses.retrieve(id_).output_text == WORDS


def test_the_same_is_told_again_without_redis_log(client: OpenAI, stack: Stack) -> None:
    with client.responses.create(model=ECHO, input=SLOW, stream=True, background=True) as stream:
        live: list[Any] = [event.to_dict() for event in stream]
    with Redis.from_url(stack.redis_url) as redis:
        redis.flushdb()
    id_ = live[0]["response"]["id"]
    for after in (None, 0, 1, 2, 5, len(live) - 2):
        more: dict[str, Any] = {} if after is None else {"starting_after": after}
        with client.responses.retrieve(str(id_), stream=True, **more) as stream:
            assert [event.to_dict() for event in stream] == live[0 if after is None else after + 1 :]


def test_after_the_last_event_there_is_nothing_and_beyond_it_a_mistake(client: OpenAI) -> None:
    with client.responses.create(model=ECHO, input="short", stream=True) as stream:
        reader = Reader().read(stream)
    assert reader.first is not None
    with client.responses.retrieve(reader.first.id, stream=True, starting_after=reader.last) as stream:
        assert list(stream) == []
    with pytest.raises(BadRequestError) as refused:
        client.responses.retrieve(reader.first.id, stream=True, starting_after=reader.last + 1)
    assert refused.value.param == "starting_after"


def test_several_readers_see_the_same(run: Run[Any]) -> None:
    async def follow(client: AsyncOpenAI, id_: str) -> Reader:
        reader = Reader()
        async for event in await client.responses.retrieve(id_, stream=True):
            reader.take(event)
        return reader

    async def work(client: AsyncOpenAI) -> list[Reader]:
        made = await client.responses.create(model=ECHO, input=SLOW, background=True)
        return await asyncio.gather(*(follow(client, made.id) for _ in range(5)))

    readers = run(work)
    assert {reader.text for reader in readers} == {WORDS}
    assert len({tuple(reader.types) for reader in readers}) == 1


def test_the_stream_helper_takes_up_a_response(client: OpenAI) -> None:
    made = client.responses.create(model=ECHO, input=SLOW, background=True)
    with client.responses.stream(response_id=made.id, starting_after=3) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert events[0].sequence_number == 4
    assert final.output_text == WORDS


def test_a_killed_worker_is_not_rewound(make_stack: MakeStack) -> None:
    """The worker dies between two calls of retrieve: what was sent stays sent, and another worker begins anew."""
    with make_stack(DEFAULT_MODEL=ECHO) as stack, stack.user() as raw, sdk(stack, raw) as client:
        reader = Reader()
        with client.responses.create(
            model=ECHO, input="!delay 0.05\n!words 60", stream=True, background=True
        ) as stream:
            reader.read(stream, most=25)
        assert reader.first is not None
        stack.kill("worker")
        assert client.responses.retrieve(reader.first.id).status == "in_progress"
        stack.start_worker()
        with client.responses.retrieve(reader.first.id, stream=True, starting_after=reader.last) as stream:
            reader.read(stream)
        assert reader.final is not None
        assert reader.text == reader.final.output_text == WORDS
        dropped, written = reader.items[0], reader.items[1]
        assert (dropped["status"], written["status"]) == ("incomplete", "completed")
        assert [item.id for item in reader.final.output] == [written["id"]]
        with client.responses.retrieve(reader.first.id, stream=True) as stream:
            again = Reader().read(stream)
        assert again.text == WORDS
        assert list(again.items.values()) == list(reader.items.values())
        with client.responses.stream(response_id=reader.first.id) as helper:
            assert helper.get_final_response().output_text == WORDS


def test_a_web_process_that_stops_says_so_and_the_next_one_goes_on(make_stack: MakeStack) -> None:
    with make_stack(DEFAULT_MODEL=ECHO) as stack, stack.user() as raw, sdk(stack, raw) as client:
        reader = Reader()
        with client.responses.create(model=ECHO, input="!delay 0.05\n!words 60", stream=True) as stream:
            reader.read(stream, most=10)
            stack.processes["web"].terminate()
            with pytest.raises(APIError) as ended:
                reader.read(stream)
        assert ended.value.code == "interrupted"
        stack.processes.pop("web").wait(20)
        stack.start_web()
        assert reader.first is not None
        with client.responses.retrieve(reader.first.id, stream=True, starting_after=reader.last) as stream:
            reader.read(stream)
        assert reader.text == WORDS


def test_whoever_waits_for_an_answer_gets_it_from_the_next_web_process(make_stack: MakeStack) -> None:
    """The SDK repeats its request by itself, and finds the response of the first one."""
    with (
        make_stack(DEFAULT_MODEL=ECHO) as stack,
        stack.user() as raw,
        sdk(stack, raw, max_retries=10) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(client.responses.create, model=ECHO, input="!delay 0.1\n!words 60")
        until(lambda: raw.get("/api/threads").json()["data"])
        stack.processes["web"].terminate()
        stack.processes.pop("web").wait(20)
        stack.start_web()
        assert asked.result(60).output_text == WORDS
        [thread] = raw.get("/api/threads").json()["data"]
        assert len(raw.get(f"/api/threads/{thread['id']}/messages?all=true").json()["data"]) == 2


def test_without_redis_a_stream_goes_on_from_the_database(make_stack: MakeStack) -> None:
    with make_stack(DEFAULT_MODEL=ECHO) as stack, stack.user() as raw, sdk(stack, raw) as client:
        reader = Reader()
        with client.responses.create(model=ECHO, input="!delay 0.1\n!words 60", stream=True) as stream:
            reader.read(stream, most=10)
            stack.kill("valkey")
            reader.read(stream)
        assert reader.final is not None
        assert reader.text == reader.final.output_text == WORDS
        with client.responses.retrieve(reader.final.id, stream=True) as stream:
            assert Reader().read(stream).text == WORDS


def test_a_connection_is_closed_for_a_restart_and_the_response_goes_on(make_stack: MakeStack) -> None:
    with make_stack(DEFAULT_MODEL=ECHO) as stack, stack.user() as raw, sdk(stack, raw) as client:
        with client.responses.connect() as connection:
            connection.response.create(model=ECHO, input="!delay 0.05\n!words 60")
            reader = Reader()
            while len(reader.types) < 8:
                reader.take(connection.recv())
            stack.processes["web"].terminate()
            with pytest.raises(ConnectionClosed) as closed:
                reader.read(iter(connection.recv, None))
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        stack.processes.pop("web").wait(20)
        stack.start_web()
        assert reader.first is not None
        with client.responses.retrieve(reader.first.id, stream=True, starting_after=reader.last) as stream:
            assert reader.read(stream).text == WORDS
