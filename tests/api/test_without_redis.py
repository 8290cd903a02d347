"""What the API promises while Redis is away or frozen: everything is accepted, and soon."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.conftest import sqlite_copy
from tests.support.stack import PASSWORD, Stack, running_stack

SOON = 3.0


@pytest.fixture(scope="module")
def stack(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A web process with rate limits, and no worker."""
    folder = tmp_path_factory.mktemp("without-redis")
    with running_stack(folder / "stack", sqlite_copy(migrated, folder), workers=0, RATE_LIMITS="on") as running:
        yield running


def test_everything_is_answered_soon_while_redis_is_frozen_and_then_gone(stack: Stack) -> None:
    with stack.user() as client:
        stack.processes["valkey"].send_signal(signal.SIGSTOP)
        frozen = _use(client)
        stack.processes["valkey"].send_signal(signal.SIGCONT)
        stack.kill("valkey")
        gone = _use(client)
    for found in (frozen, gone):
        assert {name: status for name, (status, _) in found.items()} == EXPECTED
        assert {name: seconds for name, (_, seconds) in found.items() if seconds > SOON} == {}
    assert "Traceback" not in stack.log("web").read_text()


EXPECTED = {
    "post": 202,
    "post again": 202,
    "poll": 200,
    "list": 200,
    "change": 200,
    "sign in": 201,
    "cancel": 200,
    "read the stream": 200,
    "delete": 204,
    "ready": 200,
}


def _use(client: httpx.Client) -> dict[str, tuple[int, float]]:
    """Status and seconds of a bit of everything."""
    found: dict[str, tuple[int, float]] = {}

    def call(name: str, method: str, path: str, json: object = None) -> httpx.Response:
        began = time.monotonic()
        answer = client.request(method, path, json=json)
        found[name] = (answer.status_code, round(time.monotonic() - began, 2))
        return answer

    sent = call("post", "POST", "/api/messages", {"content": "x"}).json()
    thread, reply = f"/api/threads/{sent['thread']['id']}", f"/api/messages/{sent['reply']['id']}"
    call("post again", "POST", f"{thread}/messages", {"content": "y"})
    call("poll", "GET", reply)
    call("list", "GET", "/api/threads")
    call("change", "PATCH", thread, {"title": "z"})
    call("sign in", "POST", "/api/session", {"email": "ada@example.com", "password": PASSWORD})
    call("cancel", "POST", f"{reply}/cancel", {})
    call("read the stream", "GET", f"{reply}/events")
    call("delete", "DELETE", thread)
    call("ready", "GET", "/readyz")
    return found
