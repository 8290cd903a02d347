"""The main job with real processes, and what it survives: kills, restarts, absences and crowds."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx
import pytest

from tests.conftest import MakeStack
from tests.provider import FakeProvider
from tests.support.reader import TERMINAL, Reader, sse
from tests.support.stack import until
from tests.system.posting import poll, post, words


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


def test_a_worker_that_is_told_to_stop_while_redis_is_frozen_stops_all_the_same(make_stack: MakeStack) -> None:
    with make_stack() as stack, stack.user() as client:
        reply_id = post(client, "!delay 0.05\n!words 20")["reply"]["id"]
        until(lambda: client.get(f"/api/messages/{reply_id}").json()["status"] == "processing", what="the start")
        stack.processes["valkey"].send_signal(signal.SIGSTOP)
        # The reaper tries again about every second and a half: by then Celery's own loop has met the silence too.
        until(lambda: stack.log("worker").read_text().count("last event not sent") > 3, 30, "tries to reach Redis")
        assert stack.kill("worker", signal.SIGTERM) < 7, "the supervisor would have killed it"
        stack.processes["valkey"].send_signal(signal.SIGCONT)
        stack.start_worker()
        assert poll(client, reply_id)["content"] == words(20)


def test_a_web_process_that_is_killed_leaves_its_address_at_once(make_stack: MakeStack) -> None:
    with make_stack() as stack, stack.user() as client:
        reply_id = post(client, "!delay 0.05\n!words 200")["reply"]["id"]
        events = sse(client, f"/api/messages/{reply_id}/events")
        next(events)  # the process that serves it is gunicorn's child
        stack.kill("web")
        with pytest.raises(httpx.HTTPError):
            list(events)
        stack.start_web()
        assert "Address already in use" not in stack.log("web").read_text()
        assert poll(client, reply_id)["content"] == words(200)
