"""The main job with real processes: post, write, read; and what it survives."""

from __future__ import annotations

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import pytest

from tests.conftest import MakeStack
from tests.provider import FakeProvider
from tests.support.reader import TERMINAL, Reader, follow, sse
from tests.support.stack import Stack, until


def words(count: int) -> str:
    return " ".join(f"w{number}" for number in range(1, count + 1))


def post(client: httpx.Client, content: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/messages", json={"content": content, "model": "scripted/echo", **more})
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


def poll(client: httpx.Client, reply_id: str, seconds: float = 30) -> dict[str, Any]:
    """The message once it has ended."""

    def ended() -> dict[str, Any] | None:
        message: dict[str, Any] = client.get(f"/api/messages/{reply_id}", params={"wait": 5}).json()
        return message if message["status"] in {"completed", "failed", "cancelled"} else None

    found: dict[str, Any] = until(ended, seconds, "the reply's end")
    return found


class Listening:
    """A listener on Redis pub/sub, as a trusted program would be."""

    def __init__(self, stack: Stack, thread_id: str) -> None:
        self.reader = Reader()
        self._redis = stack.redis()
        self._pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(f"thread:{{{thread_id}}}")
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not TERMINAL & set(self.reader.types):
            message = self._pubsub.get_message(timeout=1)
            if message is not None:
                assert message["data"].startswith('{"cursor":')
                event = json.loads(message["data"])
                self.reader.apply(event, event.pop("cursor"))

    def end(self) -> Reader:
        self._thread.join(30)
        self._pubsub.close()
        self._redis.close()
        return self.reader


def test_poll_sse_and_pubsub_show_the_same_reply(make_stack: MakeStack) -> None:
    with make_stack() as stack, stack.user() as client:
        thread_id = client.post("/api/threads", json={}).json()["id"]
        listening = Listening(stack, thread_id)
        made = post(client, "!delay 0.01\n!words 60", thread_id=thread_id)
        reply_id = made["reply"]["id"]
        by_sse = follow(client, f"/api/messages/{reply_id}/events")
        by_pubsub = listening.end()
        stored = poll(client, reply_id)
        assert stored["content"] == words(60)
        for reader in (by_sse, by_pubsub):
            reply = reader.replies[reply_id]
            assert (reply.text, reply.last["content"] if reply.last else None) == (words(60), words(60))
            assert reader.ordered
            assert reader.gaps == 0


def test_a_reply_survives_its_worker_being_killed(make_stack: MakeStack) -> None:
    with make_stack() as stack, stack.user() as client:
        made = post(client, "!delay 0.05\n!words 60")
        reply_id = made["reply"]["id"]
        reader, restart = Reader(), threading.Thread(target=stack.start_worker)
        for event, cursor in sse(client, f"/api/messages/{reply_id}/events"):
            reader.apply(event, cursor)
            if event["type"] == "message.delta" and event["offset"] > 20 and restart.ident is None:
                stack.kill("worker")
                restart.start()
        restart.join()
        reply = reader.replies[reply_id]
        assert reply.last is not None
        assert reply.last["status"] == "completed"
        assert reply.text == reply.last["content"] == words(60)
        assert reply.attempt == 2
        assert reply.resets >= 1


def test_a_reply_survives_redis_being_away_and_posts_are_accepted_meanwhile(make_stack: MakeStack) -> None:
    with make_stack() as stack, stack.user() as client:
        running = post(client, "!delay 0.05\n!words 100")["reply"]["id"]
        until(lambda: client.get(f"/api/messages/{running}").json()["status"] == "processing", what="the start")
        stack.kill("valkey")
        meanwhile = post(client, "said while Redis was away")["reply"]["id"]
        stack.start_valkey()
        assert poll(client, running)["content"] == words(100)
        assert poll(client, meanwhile)["content"] == "said while Redis was away"


def test_a_stream_goes_on_when_redis_comes_back_empty(make_stack: MakeStack) -> None:
    with make_stack() as stack, stack.user() as client:
        reply_id = post(client, "!delay 0.05\n!words 120")["reply"]["id"]
        reader = Reader()
        for event, cursor in sse(client, f"/api/messages/{reply_id}/events"):
            reader.apply(event, cursor)
            if event["type"] == "message.delta" and event["offset"] > 20 and not stack.log("again").exists():
                stack.log("again").touch()
                stack.kill("valkey")
                for file in (stack.folder / "valkey").rglob("*"):
                    if file.is_file():
                        file.unlink()
                stack.start_valkey()
        assert reader.replies[reply_id].text == words(120)
        assert poll(client, reply_id)["content"] == words(120)


def test_a_stopped_worker_hands_its_replies_over_within_five_seconds(make_stack: MakeStack) -> None:
    with make_stack(workers=2) as stack, stack.user() as client:
        replies = [post(client, "!delay 0.05\n!words 80")["reply"]["id"] for _ in range(6)]
        for reply_id in replies:
            until(lambda id_=reply_id: client.get(f"/api/messages/{id_}").json()["content"], what="the first words")
        assert stack.kill("worker", signal.SIGTERM) < 5
        ended = [poll(client, reply_id) for reply_id in replies]
        assert [message["content"] for message in ended] == [words(80)] * 6
        assert {message["attempt"] for message in ended} == {1, 2}


def test_cancelling_ends_a_running_reply_and_keeps_its_text(make_stack: MakeStack) -> None:
    with make_stack() as stack, stack.user() as client:
        reply_id = post(client, "!delay 0.05\n!words 400")["reply"]["id"]
        until(lambda: len(client.get(f"/api/messages/{reply_id}").json()["content"]) > 10, what="some text")
        answer = client.post(f"/api/messages/{reply_id}/cancel")
        assert answer.status_code in {200, 202}
        ended = poll(client, reply_id, 5)
        assert (ended["status"], ended["finish_reason"]) == ("cancelled", "cancelled")
        assert words(400).startswith(ended["content"])
        assert ended["usage_estimated"]
        again = client.post(f"/api/messages/{reply_id}/cancel")
        assert (again.status_code, again.json()["content"]) == (200, ended["content"])


@pytest.mark.parametrize("model", ["openai/fake-t20-first20000", "openai/fake-silence"])
def test_cancelling_reaches_a_read_that_is_blocked(make_stack: MakeStack, model: str) -> None:
    with (
        FakeProvider() as provider,
        make_stack(OPENAI_BASE_URL=provider.openai_url, OPENAI_API_KEY="sk-test") as stack,
        stack.user() as client,
    ):
        reply_id = post(client, "hello", model=model)["reply"]["id"]
        provider.calls.wait_for("request", model.partition("/")[2])
        client.post(f"/api/messages/{reply_id}/cancel")
        assert poll(client, reply_id, 5)["status"] == "cancelled"


def test_messages_of_a_thread_are_answered_in_their_order(make_stack: MakeStack) -> None:
    with make_stack() as stack, stack.user() as client:
        first = post(client, "!delay 0.05\n!words 20")
        thread_id = first["thread"]["id"]
        second = post(client, "two", thread_id=thread_id)
        third = post(client, "three", thread_id=thread_id)
        assert [second["reply"]["queue_position"], third["reply"]["queue_position"]] == [1, 2]
        ended = [poll(client, made["reply"]["id"]) for made in (first, second, third)]
        assert [message["content"] for message in ended] == [words(20), "two", "three"]
        assert ended[0]["completed_at"] <= ended[1]["completed_at"] <= ended[2]["completed_at"]


def test_a_hundred_replies_at_once_finish_in_one_worker_process(make_stack: MakeStack) -> None:
    with (
        FakeProvider() as provider,
        make_stack(OPENAI_BASE_URL=provider.openai_url, OPENAI_API_KEY="sk-test") as stack,
        stack.user() as client,
    ):
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda n: post(client, f"number {n}", model="openai/fake-t60-r20"), range(100)))
        ended = [poll(client, one["reply"]["id"], 60) for one in made]
        assert {message["status"] for message in ended} == {"completed"}
        assert {message["content"].strip() for message in ended} == {words(60)}
        assert {message["attempt"] for message in ended} == {1}
        assert len(provider.calls.lines("request")) == 100


def test_a_reader_that_reconnects_at_every_event_misses_and_repeats_nothing(make_stack: MakeStack) -> None:
    with make_stack() as stack, stack.user() as client:
        reply_id = post(client, "!delay 0.05\n!words 40")["reply"]["id"]
        reader, after = Reader(), None
        while not TERMINAL & set(reader.types):
            for event, cursor in sse(client, f"/api/messages/{reply_id}/events", after):
                reader.apply(event, cursor)
                after = cursor or after
                break
        assert reader.replies[reply_id].text == words(40)
        assert reader.ordered
        assert reader.gaps == 0
        assert reader.replies[reply_id].resets == 1
        at_end = client.get(f"/api/messages/{reply_id}/events", headers={"Last-Event-ID": str(after)})
        assert at_end.status_code == 204


def test_a_stream_closes_within_five_seconds_of_its_key_being_revoked(make_stack: MakeStack) -> None:
    with make_stack() as stack, stack.user() as client:
        made = post(client, "!delay 0.2\n!words 100")
        other = client.post("/api/keys", json={"name": "second"}).json()
        with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {other['key']}"}) as second:
            events = sse(second, f"/api/threads/{made['thread']['id']}/events")
            next(events)
            assert client.delete(f"/api/keys/{other['id']}").status_code == 204
            seen = len(list(events))  # ends, because the server closes the stream
        assert seen < 5 / 0.2 + 5
        assert client.get(f"/api/messages/{made['reply']['id']}").json()["status"] == "processing"


def test_a_stopping_web_process_ends_its_streams_and_clients_go_on_at_the_next(make_stack: MakeStack) -> None:
    with make_stack() as stack, stack.user() as client:
        reply_id = post(client, "!delay 0.05\n!words 150")["reply"]["id"]
        reader, stopping = Reader(), threading.Thread(target=lambda: stack.kill("web", signal.SIGTERM))
        for event, cursor in sse(client, f"/api/messages/{reply_id}/events"):
            reader.apply(event, cursor)
            if event["type"] == "message.delta" and stopping.ident is None:
                stopping.start()
                began = time.monotonic()
        assert time.monotonic() - began < 3
        stopping.join()
        assert time.monotonic() - began < 6
        assert not TERMINAL & set(reader.types)
        stack.start_web()
        for event, cursor in sse(client, f"/api/messages/{reply_id}/events", reader.cursors[-1]):
            reader.apply(event, cursor)
        assert reader.replies[reply_id].text == words(150)
        assert reader.ordered
        assert reader.gaps == 0
