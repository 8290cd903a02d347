"""A database that is locked or away: 503 that says so, soon, with nothing stored."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from flask import Flask

from tests.api.conftest import MakeApp, Person, Traces
from tests.support.copy import free_port

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_the_process_says_that_it_lives_and_is_ready(app: Flask) -> None:
    alive, ready = (app.test_client().get(path) for path in ("/healthz", "/readyz"))
    assert (alive.status_code, alive.json) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json) == (200, {"status": "ok", "database": "ok", "redis": "ok"})
    assert alive.headers["Cache-Control"] == "no-store"


def test_without_a_database_it_is_alive_but_not_ready(make_app: MakeApp) -> None:
    nowhere = make_app(database_url=f"postgresql+psycopg://x:x@127.0.0.1:{free_port()}/x").test_client()
    assert nowhere.get("/healthz").status_code == 200
    ready = nowhere.get("/readyz")
    assert (ready.status_code, ready.json["status"]) == (503, "unavailable")
    answer = nowhere.get("/api/me", headers={"Authorization": "Bearer hf_any"})
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert answer.content_type == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0


def test_a_locked_database_is_503_soon_and_the_same_request_succeeds_later(
    ada: Person, traces: Callable[[], Traces], database_url: str
) -> None:
    before = traces()
    again = {"headers": {"Idempotency-Key": "k"}}
    with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        refused = ada.post("/api/messages", {"content": "x"}, **again)
        seconds = time.monotonic() - began
        assert ada.get("/api/threads").status_code == 200
        other.execute("ROLLBACK")
    assert (refused.status_code, refused.json["code"]) == (503, "unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    assert seconds < 3
    assert traces() == before
    assert ada.post("/api/messages", {"content": "x"}, **again).status_code == 202
