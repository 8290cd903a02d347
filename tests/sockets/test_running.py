"""/ws of a real web process with real workers: cut, resumed, restarted, and read too slowly."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psutil
import pytest

from tests.clients import Access, WebSocket
from tests.conftest import MakeStack
from tests.proxy import Proxy
from tests.sockets.running import SETTINGS, key_of, logged, socket_url, stack, user
from tests.sockets.talk import Talk, talking
from tests.support.stack import Stack, until
from tests.system.posting import words

__all__ = ["stack", "user"]  # fixtures

CREATED, COMPLETED = "message.created", "message.completed"
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def text_of(user: httpx.Client, reply_id: str) -> str:
    return str(user.get(f"/api/messages/{reply_id}").json()["content"])


def asked_and_reply(talk: Talk, content: str, **more: Any) -> tuple[str, str]:
    """Post over the socket; the ids of the thread and the reply."""
    talk.say("message", content=content, **more)
    talk.until(CREATED)
    reply = talk.hear(CREATED)
    return reply["thread_id"], reply["message_id"]


def test_a_reply_is_posted_followed_and_completed_on_each_database(make_stack: MakeStack) -> None:
    with make_stack(**SETTINGS) as stack, stack.user() as user, talking(socket_url(stack.port), key_of(user)) as talk:
        _, reply_id = asked_and_reply(talk, "!words 50")
        last = talk.ended()[-1]
        assert last["type"] == COMPLETED
        assert talk.reader.replies[reply_id].text == words(50) == text_of(user, reply_id)
        assert last["message"] == user.get(f"/api/messages/{reply_id}").json()
        assert talk.reader.gaps == 0
        assert talk.reader.ordered
        assert stack.kill("web", signal.SIGTERM) < 5
        assert talk.closed() == 1012
        [closed] = logged(stack, "socket closed")
        assert (closed["code"], closed["reason"]) == (1012, "restarting")
        assert closed["lag_ms"] >= 0


def test_a_cancelled_reply_keeps_what_was_written(stack: Stack, user: httpx.Client) -> None:
    with talking(socket_url(stack.port), key_of(user)) as talk:
        _, reply_id = asked_and_reply(talk, "!delay 0.05\n!words 500")
        talk.until("message.delta")
        talk.say("cancel", message_id=reply_id)
        last = talk.ended()[-1]
        assert last["type"] == "message.cancelled"
        assert last["message"]["content"] == talk.reader.replies[reply_id].text


def test_a_goal_is_worked_on(stack: Stack, user: httpx.Client) -> None:
    script = '!tool finish {"answer": "done"}'
    with talking(socket_url(stack.port), key_of(user)) as talk:
        talk.say("solve", goal=script, max_steps=5)
        assert talk.ended()[-1]["message"]["content"]


def test_cut_again_and_again_it_resumes_and_loses_nothing(stack: Stack, user: httpx.Client, tmp_path: Path) -> None:
    with Proxy("127.0.0.1", stack.port) as proxy:
        access = Access(f"http://127.0.0.1:{proxy.port}", key_of(user)["Authorization"].removeprefix("Bearer "), "")
        sent = user.post("/api/messages", json={"content": "!delay 0.03\n!words 150"}).json()
        reply_id = sent["reply"]["id"]
        client = WebSocket(access, tmp_path, sent["thread"]["id"], [reply_id]).start()
        for count in (20, 40, 60, 80):
            client.wait_for(lambda count=count: len(client.reader.cursors) > count)
            proxy.cut()
        client.join(20)
    assert client.text(reply_id) == words(150) == text_of(user, reply_id)
    assert client.reader.ordered
    assert client.reader.gaps == 0
    assert len(client.connections) == len(set(client.connections)) >= 5
    assert client.reader.types.count("thread.snapshot") == 1  # it resumed by its cursor ever after
    assert client.reader.replies[reply_id].resets == 0


@ONE_DATABASE
def test_it_survives_a_restart_of_the_server_and_a_kill_of_the_worker(make_stack: MakeStack, tmp_path: Path) -> None:
    with make_stack(LEASE_SECONDS="3", **SETTINGS) as stack, stack.user() as user:
        access = Access(stack.url, key_of(user)["Authorization"].removeprefix("Bearer "), "", stack.redis_url)
        sent = user.post("/api/messages", json={"content": "!delay 0.02\n!words 200"}).json()
        reply_id = sent["reply"]["id"]
        client = WebSocket(access, tmp_path, sent["thread"]["id"], [reply_id]).start()
        client.wait_for(lambda: len(client.text(reply_id)) > 50)
        stack.kill("web", signal.SIGTERM)
        stack.kill("worker")
        stack.start_web()
        stack.start_worker()
        client.join(60)
        assert client.text(reply_id) == words(200) == text_of(user, reply_id)
        assert client.closed[0] == 1012
        assert client.reader.ordered


def test_a_post_whose_fate_is_unknown_is_sent_again_and_made_once(stack: Stack, user: httpx.Client) -> None:
    frame = {"content": "only once", "idempotency_key": "the key"}
    for _ in range(2):
        with talking(socket_url(stack.port), key_of(user)) as talk:
            talk.say("message", **frame)
    with talking(socket_url(stack.port), key_of(user)) as talk:
        talk.say("message", **frame)
        snapshot = talk.hear("thread.snapshot")
        assert [message["content"] for message in snapshot["messages"] if message["role"] == "user"] == ["only once"]
    threads = user.get("/api/threads", params={"limit": 200}).json()["data"]
    assert [thread["title"] for thread in threads].count("only once") == 1


@ONE_DATABASE
def test_a_dead_client_is_noticed_by_its_silence(make_stack: MakeStack) -> None:
    with make_stack(workers=0, HEARTBEAT_COMMENT_SECONDS="0.3", **SETTINGS) as stack, stack.user() as user:
        with talking(socket_url(stack.port), key_of(user)) as talk:
            time.sleep(1)
            talk.silent()  # it answers pings by itself
        with socket.create_connection(("127.0.0.1", stack.port)) as dumb:
            dumb.sendall(_handshake(stack.port, key_of(user)["Authorization"]))
            until(lambda: len(logged(stack, "socket closed")) == 2, what="the end")
        assert logged(stack, "socket closed")[-1]["reason"] == "silent"


def _handshake(port: int, authorization: str) -> bytes:
    return (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {authorization}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def test_one_that_reads_too_slowly_harms_nobody_and_misses_nothing(stack: Stack, user: httpx.Client) -> None:
    sent = user.post("/api/messages", json={"content": "!delay 0.001\n!words 2000"}).json()
    thread_id, reply_id = sent["thread"]["id"], sent["reply"]["id"]
    web = psutil.Process(stack.processes["web"].pid).children()[0]
    with ExitStack() as opened:
        slow = [opened.enter_context(_slow(stack, user)) for _ in range(4)]
        for talk in slow:  # each asks and then reads nothing
            talk.say("subscribe", thread_id=thread_id)
        before = web.memory_info().rss
        fast = opened.enter_context(talking(socket_url(stack.port), key_of(user)))
        fast.say("subscribe", thread_id=thread_id)
        fast.ended()
        assert web.memory_info().rss - before < 60_000_000
        text = text_of(user, reply_id)
        for talk in [fast, *slow]:
            if talk is not fast:
                talk.ended()
            assert talk.reader.replies[reply_id].whole == text
            assert talk.reader.ordered


@contextmanager
def _slow(stack: Stack, user: httpx.Client) -> Iterator[Talk]:
    """A client that takes a few kilobytes, and no more until it is asked to read."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.connect(("127.0.0.1", stack.port))
        with talking(socket_url(stack.port), key_of(user), sock=sock, max_queue=1, ping_interval=None) as talk:
            yield talk


def test_one_that_takes_nothing_holds_up_nobody_else(stack: Stack, user: httpx.Client) -> None:
    sent = user.post("/api/messages", json={"content": "!words 30000"}).json()
    answered = []
    with _slow(stack, user) as talk:
        talk.say("subscribe", thread_id=sent["thread"]["id"])
        for _ in range(50):
            began = time.monotonic()
            assert user.get("/api/me").status_code == 200
            answered.append(time.monotonic() - began)
    assert sorted(answered)[25] < 0.2


@ONE_DATABASE
def test_without_redis_it_follows_from_the_database(make_stack: MakeStack) -> None:
    with make_stack(**SETTINGS) as stack, stack.user() as user, talking(socket_url(stack.port), key_of(user)) as talk:
        asked_and_reply(talk, "!delay 0.02\n!words 200")
        talk.until("message.delta")
        stack.kill("valkey")
        last = talk.ended()[-1]
        assert last["message"]["content"] == words(200)
        talk.say("message", content="accepted all the same", ref="r")
        assert talk.hear("thread.snapshot")["messages"]
