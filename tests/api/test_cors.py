"""Other origins' scripts: those named may call with a key, nobody ever with a cookie."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.api.conftest import MakeApp, Person, sign_up

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

NAMED = "https://app.example"
OTHERS = [
    "https://evil.example",
    "http://app.example",
    "https://app.example:444",
    "https://app.example.evil",
    "null",
    "*",
]


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(cors_origins=[NAMED, "https://second.example"])


def shared(answer: TestResponse) -> dict[str, str]:
    """The CORS headers of an answer."""
    return {name: value for name, value in answer.headers if name.startswith("Access-Control-")}


def preflight(client: FlaskClient, path: str, origin: str, method: str = "POST") -> TestResponse:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization",
    }
    return client.options(path, headers=asked)


def test_a_named_origin_may_ask_first_and_then_call(app: Flask, ada: Person) -> None:
    for path, method in (("/api/messages", "POST"), ("/api/threads/x", "PATCH"), ("/api/messages/x/events", "GET")):
        answer = preflight(app.test_client(), path, NAMED, method)
        assert (answer.status_code, answer.data) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == NAMED
        assert method in answer.headers["Access-Control-Allow-Methods"].split(", ")
        allowed = set(answer.headers["Access-Control-Allow-Headers"].lower().split(", "))
        assert {"authorization", "content-type", "idempotency-key", "last-event-id", "x-request-id"} <= allowed
        assert "Origin" in answer.headers["Vary"]
    posted = ada.post("/api/messages", {"content": "x"}, headers={"Origin": NAMED})
    assert posted.status_code == 202
    assert posted.headers["Access-Control-Allow-Origin"] == NAMED
    exposed = set(posted.headers["Access-Control-Expose-Headers"].split(", "))
    assert {"Location", "Retry-After", "X-Request-Id", "RateLimit-Remaining"} <= exposed


def test_errors_and_streams_can_be_read_too(app: Flask, ada: Person) -> None:
    reply_id = ada.say()["reply"]["id"]
    ada.post(f"/api/messages/{reply_id}/cancel")
    headers = {"Origin": NAMED}
    stream = ada.get(f"/api/messages/{reply_id}/events", headers=headers)
    assert stream.mimetype == "text/event-stream"
    assert "message.cancelled" in stream.text
    errors = [
        ada.get("/api/threads?limit=0", headers=headers),
        ada.get("/api/nothing", headers=headers),
        ada.call("PUT", "/api/threads", headers=headers),
        app.test_client().get("/api/me", headers=headers),
    ]
    assert [answer.status_code for answer in errors] == [422, 404, 405, 401]
    for answer in (stream, *errors):
        assert answer.headers["Access-Control-Allow-Origin"] == NAMED


def test_credentials_are_never_allowed(app: Flask, ada: Person) -> None:
    for answer in (
        preflight(app.test_client(), "/api/messages", NAMED),
        preflight(app.test_client(), "/api/session", NAMED),
        ada.get("/api/me", headers={"Origin": NAMED}),
    ):
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "x-csrftoken" not in answer.headers.get("Access-Control-Allow-Headers", "").lower()


def test_a_named_origin_still_cannot_change_anything_by_cookie(app: Flask, ada: Person) -> None:
    from_page = app.test_client().post(
        "/api/session", json={"email": ada.email, "password": "x"}, headers={"Origin": NAMED}
    )
    assert from_page.status_code == 403


def test_other_origins_are_told_nothing(app: Flask, ada: Person) -> None:
    for origin in OTHERS:
        for answer in (
            preflight(app.test_client(), "/api/messages", origin),
            ada.get("/api/me", headers={"Origin": origin}),
        ):
            assert shared(answer) == {}, origin
            assert "Origin" in answer.headers["Vary"]


def test_pages_are_shared_with_nobody(app: Flask) -> None:
    for path in ("/", "/signin", "/chat", "/healthz", "/static/holdfast.css"):
        with app.test_client().get(path, headers={"Origin": NAMED}) as answer:
            assert shared(answer) == {}, path
        assert shared(preflight(app.test_client(), path, NAMED)) == {}, path


def test_without_named_origins_nothing_is_shared(make_app: MakeApp) -> None:
    app = make_app()
    ada = sign_up(app, "eve@example.com")
    for answer in (preflight(app.test_client(), "/api/me", NAMED), ada.get("/api/me", headers={"Origin": NAMED})):
        assert shared(answer) == {}
