"""Real processes are given canaries; none may sing in a log, and no secret anywhere in Redis."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from redis import Redis

from app.jobs import queue
from tests.conftest import sqlite_copy
from tests.support.stack import Stack, running_stack, until

EMAIL, PASSWORD = "canary-4711@example.com", "canary-password-4711"
TEXTS = {
    name: f"canary-{name}-4711"
    for name in ("content", "title", "instructions", "metadata", "reply", "name", "body", "query")
}
REQUEST_ID = "request-of-the-canary"


@pytest.fixture(scope="module")
def stack(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A copy without a worker, so that wake-ups can be looked at; as talkative as it can be."""
    folder = tmp_path_factory.mktemp("secrets")
    database = sqlite_copy(migrated, folder)
    with running_stack(folder / "stack", database, workers=0, RATE_LIMITS="on", LOG_LEVEL="DEBUG") as running:
        yield running


def test_no_secret_and_no_content_is_logged_and_wake_ups_carry_only_ids(stack: Stack) -> None:
    with httpx.Client(base_url=stack.url, timeout=20) as browser:
        secrets = _sign_up_and_in(browser)
        secrets["failed"] = _fail(browser, secrets["key"])
        job_id = _post(browser, secrets["key"])
        with stack.redis() as redis:
            _check_wake_ups(redis, job_id)
            stack.start_worker()
            _follow(browser, secrets["key"])
            stored = "\n".join(_everything(redis))
    logged = {path.name: path.read_text() for path in stack.folder.glob("*.log")}
    for name, canary in (secrets | TEXTS).items():
        assert [log for log, text in logged.items() if canary in text] == [], name
    for name, secret in secrets.items():
        assert secret not in stored, name
    for log in ("web.log", "worker.log"):
        lines = [json.loads(line) for line in logged[log].splitlines() if REQUEST_ID in line]
        assert lines, log
        assert {line["request_id"] for line in lines} == {REQUEST_ID}


def _sign_up_and_in(browser: httpx.Client) -> dict[str, str]:
    """Everything secret that a person has."""
    account = {"email": EMAIL, "password": PASSWORD}
    key = browser.post("/api/users", json=account).json()["api_key"]
    token = browser.post("/api/session", json=account).json()["csrf_token"]
    made = browser.post("/api/keys", json={"name": TEXTS["name"]}, headers={"X-CSRFToken": token})
    assert made.status_code == 201
    return {
        "e-mail": EMAIL,
        "password": PASSWORD,
        "key": key,
        "second key": made.json()["key"],
        "cookie": browser.cookies["session"],
        "token": token,
    }


def _fail(browser: httpx.Client, key: str) -> str:
    """Requests that go wrong, full of canaries; returns the wrong key."""
    mine, wrong = {"Authorization": f"Bearer {key}"}, "hf_canary-wrong-key-4711"
    json_ = {"Content-Type": "application/json"}
    answers = [
        browser.post("/api/session", json={"email": EMAIL, "password": PASSWORD + "!"}),
        browser.get("/api/me", headers={"Authorization": f"Bearer {wrong}"}),
        browser.post("/api/messages", content="{" + TEXTS["body"], headers=mine | json_),
        browser.post("/api/messages", json={"content": {"a": TEXTS["body"]}}, headers=mine),
        browser.post("/api/messages", json={"content": TEXTS["body"], "model": "openai/x"}, headers=mine),
        browser.get(f"/api/nothing/{TEXTS['query']}", params={"q": TEXTS["query"]}, headers=mine),
        browser.post("/api/messages", content=_chunks(), headers=mine | json_),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 400, 422, 422, 404, 413]
    assert not [answer for answer in answers if TEXTS["body"] in answer.text or wrong in answer.text]
    return wrong


def _chunks() -> Iterator[bytes]:
    """A body that does not say beforehand that it is too long."""
    yield b'{"content":"'
    for _ in range(40):
        yield b"x" * 65_536
    yield b'"}'


def _post(browser: httpx.Client, key: str) -> str:
    """The job of a message made of canaries."""
    answer = browser.post(
        "/api/messages",
        json={
            "content": f"{TEXTS['content']} !",
            "title": TEXTS["title"],
            "instructions": TEXTS["instructions"],
            "metadata": {TEXTS["metadata"]: TEXTS["metadata"]},
        },
        headers={"Authorization": f"Bearer {key}", "X-Request-Id": REQUEST_ID},
    )
    assert answer.status_code == 202
    return str(answer.json()["reply"]["job_id"])


def _check_wake_ups(redis: Redis, job_id: str) -> None:
    waiting: Any = redis.lrange(queue.REPLIES, 0, -1)
    assert len(waiting) == 1
    body = base64.b64decode(json.loads(waiting[0])["body"])
    assert json.loads(body)[:2] == [[job_id], {}]
    for canary in TEXTS.values():
        assert canary not in waiting[0]
        assert canary.encode() not in body


def _follow(browser: httpx.Client, key: str) -> None:
    """Read all of it every way there is, let one reply fail and cancel another."""
    mine = {"Authorization": f"Bearer {key}"}

    def ended(reply_id: str) -> str:
        found = browser.get(f"/api/messages/{reply_id}", params={"wait": 5}, headers=mine).json()
        return str(found["status"]) if found["completed_at"] else ""

    thread = browser.get("/api/threads", headers=mine).json()["data"][0]
    first = thread["last_message"]["id"]
    assert until(lambda: ended(first), 20, "the reply") == "completed"
    with browser.stream("GET", f"/api/messages/{first}/events", headers=mine) as events:
        assert TEXTS["content"] in events.read().decode()
    for content, status in (
        (f"!error 400 {TEXTS['reply']}=1", "failed"),
        (f"{TEXTS['reply']}.\n!delay 0.05\n!words 400", "cancelled"),
    ):
        sent = browser.post("/api/messages", json={"content": content}, headers=mine).json()["reply"]["id"]
        if status == "cancelled":
            until(
                lambda id_=sent: browser.get(f"/api/messages/{id_}", headers=mine).json()["content"], what="some text"
            )
            browser.post(f"/api/messages/{sent}/cancel", headers=mine)
        assert until(lambda id_=sent: ended(id_), 20, "the end") == status


def _everything(redis: Redis) -> Iterator[str]:
    """Every key of Redis with its value."""
    read = {
        "string": redis.get,
        "list": lambda key: redis.lrange(key, 0, -1),
        "hash": redis.hgetall,
        "set": redis.smembers,
        "zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        "stream": redis.xrange,
    }
    for key in redis.scan_iter():
        kind: Any = redis.type(key)
        yield f"{key} {read[kind](key)}"
