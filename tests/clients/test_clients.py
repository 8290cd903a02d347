"""Every kind of client against a real stack, with a proxy between them that cuts, drops and refuses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.clients import Access, Client, Polling, Posted, Poster, PubSub, SseReply, SseThread
from tests.clients.transcript import lines
from tests.conftest import sqlite_copy
from tests.proxy import Proxy
from tests.support.stack import Stack, running_stack, until
from tests.system.posting import words

SLOW = "!delay 0.02\n!words 100"


@pytest.fixture(scope="module")
def stack(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("clients")
    with running_stack(folder, sqlite_copy(migrated, folder), DEFAULT_MODEL="scripted/echo") as running:
        yield running


@pytest.fixture
def proxy(stack: Stack) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", stack.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def direct(stack: Stack) -> Iterator[httpx.Client]:
    with stack.user() as client:
        yield client


@pytest.fixture
def access(stack: Stack, proxy: Proxy, direct: httpx.Client) -> Access:
    key = direct.headers["Authorization"].removeprefix("Bearer ")
    return Access(f"http://127.0.0.1:{proxy.port}", key, direct.get("/api/me").json()["id"], stack.redis_url)


@pytest.fixture
def poster(access: Access, tmp_path: Path) -> Iterator[Poster]:
    poster = Poster(access, tmp_path).start()
    yield poster
    poster.stop()
    poster.join(15)


def watch(access: Access, folder: Path, posted: Posted) -> list[Client]:
    """Every kind of watcher of the reply, started."""
    made = [
        SseReply(access, folder, posted.id),
        SseThread(access, folder, posted.thread_id, [posted.id]),
        Polling(access, folder, posted.id),
        PubSub(access, folder, posted.thread_id, posted.id),
        PubSub(access, folder, posted.thread_id, replies=[posted.id]),
    ]
    return [client.start() for client in made]


def notes(client: Client) -> list[str]:
    return [line["note"] for line in lines(client.transcript.path) if "note" in line]


def events(client: Client) -> list[dict[str, Any]]:
    return [line["event"] for line in lines(client.transcript.path) if "event" in line]


def test_every_kind_ends_with_the_text_and_says_so(access: Access, poster: Poster, tmp_path: Path) -> None:
    posted = poster.post(SLOW).result(15)
    for client in watch(access, tmp_path, posted):
        client.join(20)
        first, *_, last = lines(client.transcript.path)
        assert first["open"]["client"] == client.name
        assert first["open"]["id"] == {"message": posted.id, "thread": posted.thread_id}[first["open"]["scope"]]
        assert last["end"] == {"texts": {posted.id: words(100)}, "statuses": {posted.id: "completed"}}
        assert client.ended
        assert client.reader.gaps == 0
        assert client.tokens


def test_a_transcript_holds_what_was_posted_and_cancelled(access: Access, poster: Poster) -> None:
    posted = poster.post(SLOW, key="the key").result(15)
    assert poster.cancel(posted.id).result(15) in {200, 202}
    refused = poster.post("").result(15)
    assert (refused.status, refused.body["code"]) == (422, "validation_error")
    poster.join(15)
    _, made, cancelled, refusal, end = lines(poster.transcript.path)
    ids = {"thread_id": posted.thread_id, "message_id": posted.message_id, "reply_id": posted.id}
    assert made["posted"] == {"status": 202, "idempotency_key": "the key", "content": SLOW, **ids}
    assert cancelled["cancelled"]["message_id"] == posted.id
    assert set(refusal["posted"]) == {"status", "idempotency_key", "content"}
    assert end["end"] == {"texts": {}, "statuses": {}}


def test_cut_again_and_again_they_resume_where_they_were(
    access: Access, poster: Poster, proxy: Proxy, tmp_path: Path
) -> None:
    posted = poster.post("!delay 0.03\n!words 150").result(15)
    clients = watch(access, tmp_path, posted)
    sse = clients[0]
    for count in (20, 40, 60, 80):
        sse.wait_for(lambda count=count: len(sse.reader.cursors) > count)
        proxy.cut()
    for client in clients:
        client.join(20)
        assert client.text(posted.id) == words(150)
        assert client.reader.ordered
        assert client.reader.gaps == 0
    assert len([note for note in notes(sse) if note.startswith("cut: ")]) >= 4
    assert sse.reader.replies[posted.id].resets == 1  # the first snapshot: it resumed by its cursor ever after


def test_refused_and_dead_connections_are_tried_again(
    access: Access, poster: Poster, proxy: Proxy, tmp_path: Path
) -> None:
    posted = poster.post("!delay 0.03\n!words 150").result(15)
    proxy.refuse()
    client = SseReply(access, tmp_path, posted.id, silence_seconds=0.5).start()
    until(lambda: "cut: ConnectError" in notes(client), what="a refused connection")
    proxy.heal()
    client.wait_for(lambda: client.tokens)
    proxy.blackhole()
    until(lambda: "cut: ReadTimeout" in notes(client), what="a dead connection")
    proxy.heal()
    client.join(20)
    assert client.text(posted.id) == words(150)


def test_a_post_whose_answer_is_lost_is_repeated_and_made_once(
    poster: Poster, proxy: Proxy, direct: httpx.Client
) -> None:
    proxy.drop_responses()
    future = poster.post("once, please")
    until(lambda: len([note for note in notes(poster) if note.startswith("cut")]) > 2, what="some lost answers")
    assert not future.done()
    proxy.heal()
    posted = future.result(15)
    listed = direct.get(f"/api/threads/{posted.thread_id}/messages").json()["data"]
    assert [message["content"] for message in listed if message["role"] == "user"] == ["once, please"]
    same = [thread for thread in direct.get("/api/threads").json()["data"] if thread["last_message"]]
    assert len([thread for thread in same if thread["last_message"]["content"] == "once, please"]) == 1


def test_a_listener_on_the_channel_heals_from_the_log_and_without_it_from_the_database(
    access: Access, poster: Poster, stack: Stack, tmp_path: Path
) -> None:
    posted = poster.post("!delay 0.03\n!words 200").result(15)
    client = PubSub(access, tmp_path, posted.thread_id, posted.id).start()
    with stack.redis() as redis:
        for count in (20, 40):
            client.wait_for(lambda count=count: len(client.reader.cursors) > count)
            redis.client_kill_filter(_type="pubsub")
        client.wait_for(lambda: len(client.reader.cursors) > 60)
        redis.delete(f"thread:{{{posted.thread_id}}}:events")
        redis.client_kill_filter(_type="pubsub")
    client.join(20)
    assert client.text(posted.id) == words(200)
    assert client.reader.ordered
    assert any("polled" in line for line in lines(client.transcript.path)[3:])
    assert len([note for note in notes(client) if note.startswith("cut")]) >= 3


def test_one_that_is_told_to_stop_leaves_at_once_and_without_an_end(
    access: Access, poster: Poster, tmp_path: Path
) -> None:
    posted = poster.post("!delay 0.2\n!words 100").result(15)
    clients = watch(access, tmp_path, posted)
    for client in clients:
        client.wait_for(lambda client=client: client.text(posted.id))
    began = time.monotonic()
    for client in clients:
        client.stop()
    for client in clients:
        client.join(10)
        assert not client.ended
        assert "end" not in lines(client.transcript.path)[-1]
    assert time.monotonic() - began < 5
    poster.cancel(posted.id).result(15)


def test_one_that_is_refused_says_why(access: Access, tmp_path: Path) -> None:
    client = SseReply(access, tmp_path, "0190a0a0-0000-7000-8000-000000000000").start()
    with pytest.raises(AssertionError, match="404"):
        client.join(10)
    assert "404" in notes(client)[-1]


def test_fifty_at_once_end_with_the_text(access: Access, poster: Poster, tmp_path: Path) -> None:
    posted = poster.post(SLOW).result(15)
    clients = [client for _ in range(10) for client in watch(access, tmp_path, posted)]
    for client in clients:
        client.join(30)
    assert {client.text(posted.id) for client in clients} == {words(100)}
    assert all(client.reader.ordered for client in clients)
