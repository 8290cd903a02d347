"""The application as its callers meet it: people with keys and browsers, and a look at what a request left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import func, insert, select
from werkzeug.test import TestResponse

from app import create_app
from app.auth import secrets
from app.database import reading, transaction
from app.ids import new_id
from app.jobs import queue
from app.models import ApiKey, IdempotencyKey, Job, Message, Thread, User
from tests.conftest import MakeSettings
from tests.support import hubs

PASSWORD = "correct horse battery"

MakeApp = Callable[..., Flask]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account, calling with a key."""

    client: FlaskClient
    id: str
    email: str
    key: str

    def call(self, method: str, path: str, headers: dict[str, str] | None = None, **request: Any) -> TestResponse:
        """One request with the key."""
        mine = {"Authorization": f"Bearer {self.key}"}
        return self.client.open(path, method=method, headers=mine | (headers or {}), **request)

    def get(self, path: str, **request: Any) -> TestResponse:
        return self.call("GET", path, **request)

    def post(self, path: str, json: Any = None, **request: Any) -> TestResponse:
        return self.call("POST", path, json={} if json is None else json, **request)

    def patch(self, path: str, json: Any) -> TestResponse:
        return self.call("PATCH", path, json=json)

    def delete(self, path: str) -> TestResponse:
        return self.call("DELETE", path)

    def say(self, content: str = "hello", **more: Any) -> dict[str, Any]:
        """Post a message that is accepted; what came back."""
        answer = self.post("/api/messages", {"content": content, **more})
        assert answer.status_code == 202, answer.text
        return dict(answer.json or {})


@dataclass(frozen=True, slots=True)
class Traces:
    """How much a request could have left behind."""

    threads: int
    messages: int
    jobs: int
    keys: int
    wake_ups: int


@pytest.fixture
def make_app(make_settings: MakeSettings) -> Iterator[MakeApp]:
    """The application with changed settings. No context is pushed: requests would share `g`, and so their principal."""
    made: list[Flask] = []

    def make(**changed: object) -> Flask:
        made.append(create_app(make_settings(**changed)))
        return made[-1]

    yield make
    for application in made:
        hubs.end(application)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """The application, on each database."""
    return make_app()


@pytest.fixture
def ada(app: Flask) -> Person:
    return sign_up(app, "ada@example.com")


@pytest.fixture
def ben(app: Flask) -> Person:
    return sign_up(app, "ben@example.com")


@pytest.fixture
def own_valkey(valkey: str) -> str:
    """Another of Valkey's databases, empty."""
    url = f"{valkey.rpartition('/')[0]}/9"
    with Redis.from_url(url) as redis:
        redis.flushdb()
    return url


@pytest.fixture
def traces(app: Flask, valkey: str) -> Iterator[Callable[[], Traces]]:
    """Counts rows and wake-ups now."""
    with Redis.from_url(valkey) as redis:

        def count() -> Traces:
            with app.app_context(), reading() as session:
                rows = [
                    session.scalars(select(func.count()).select_from(model)).one()
                    for model in (Thread, Message, Job, IdempotencyKey)
                ]
            return Traces(*rows, wake_ups=redis.llen(queue.REPLIES))

        yield count


def sign_up(app: Flask, email: str) -> Person:
    """A new account, as POST /api/users makes it, but for the password's hash, which is made only once a run."""
    id_, key = new_id(), secrets.new_key()
    rows = {"user_id": id_, "name": "first key", "prefix": secrets.shown(key), "key_hash": secrets.fingerprint(key)}
    with app.app_context(), transaction() as session:
        session.execute(insert(User).values(id=id_, email=email, password_hash=_hashed()))
        session.execute(insert(ApiKey).values(rows))
    return Person(app.test_client(use_cookies=False), str(id_), email, key)


@cache
def _hashed() -> str:
    return secrets.hash_password(PASSWORD)


def fields(answer: TestResponse) -> set[str]:
    """The fields that a 422 names."""
    assert answer.status_code == 422, answer.text
    assert answer.content_type == "application/problem+json"
    return {error["field"] for error in answer.json["errors"]}
