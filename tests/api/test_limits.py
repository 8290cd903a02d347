"""Rate limits: who is counted, by what, and what a refusal says."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.api.conftest import PASSWORD, MakeApp, Person, sign_up

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

HEADERS = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After"}


@pytest.fixture
def app(make_app: MakeApp, own_valkey: str) -> Flask:
    """Counts of other tests stay out of this one."""
    return make_app(rate_limits="on", posts_per_minute=3, sign_ins_per_minute=4, redis_url=own_valkey)


def attempt(
    app: Flask, email: str = "nobody@example.com", address: str = "198.51.100.7", **headers: str
) -> TestResponse:
    """A sign-in with a wrong password."""
    return app.test_client().post(
        "/api/session",
        json={"email": email, "password": "wrong password"},
        headers=headers,
        environ_base={"REMOTE_ADDR": address},
    )


def test_posts_are_counted_by_user_whatever_the_key_and_route(app: Flask, ada: Person, ben: Person) -> None:
    first = ada.say()
    second_key = {"Authorization": f"Bearer {ada.post('/api/keys', {'name': 'second'}).json['key']}"}
    thread = f"/api/threads/{first['thread']['id']}/messages"
    assert ada.client.post("/api/messages", json={"content": "x"}, headers=second_key).status_code == 202
    assert ada.post(thread, {"content": "x"}).status_code == 202
    reply = f"/api/messages/{first['reply']['id']}"
    refused = [
        ada.post("/api/messages", {"content": "x"}),
        ada.post(thread, {"content": "x"}),
        ada.post(thread.replace("messages", "solve"), {"goal": "x"}),
        ada.post(f"{reply}/regenerate"),
        ada.post(f"{reply}/continue"),
        ada.patch(reply, {"content": "x"}),
        ada.client.post("/api/messages", json={"content": "x"}, headers=second_key),
    ]
    assert [(answer.status_code, answer.json["code"]) for answer in refused] == [(429, "rate_limited")] * 7
    assert ben.say()
    assert ada.get("/api/threads").status_code == 200


def test_a_refusal_says_when_to_come_again(ada: Person) -> None:
    allowed = [ada.post("/api/messages", {"content": "x"}) for _ in range(3)]
    assert [answer.headers["RateLimit-Remaining"] for answer in allowed] == ["2", "1", "0"]
    refused = ada.post("/api/messages", {"content": "x"})
    assert refused.content_type == "application/problem+json"
    assert set(refused.headers.keys()) >= HEADERS
    assert (refused.headers["RateLimit-Limit"], refused.headers["RateLimit-Remaining"]) == ("3", "0")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert "3 per 1 minute" in refused.json["detail"]


def test_sign_ins_are_counted_by_address_whatever_a_header_claims(app: Flask) -> None:
    found = [
        attempt(app, **{"X-Forwarded-For": f"203.0.113.{number}", "X-Real-Ip": "x", "Forwarded": "for=x"}).status_code
        for number in range(6)
    ]
    assert found == [401] * 4 + [429] * 2
    assert attempt(app, email="other@example.com").status_code == 429
    assert attempt(app, address="198.51.100.8").status_code == 401


def test_the_page_and_the_api_draw_on_the_same_sign_ins(app: Flask) -> None:
    for _ in range(4):
        attempt(app, address="127.0.0.1")
    form = app.test_client().post("/signin", data={"email": "a@example.com", "password": "wrong password"})
    assert form.status_code == 429


def test_behind_a_trusted_proxy_its_last_word_counts(make_app: MakeApp, own_valkey: str) -> None:
    app = make_app(rate_limits="on", sign_ins_per_minute=1, redis_url=own_valkey, trusted_proxies=1)
    assert attempt(app, **{"X-Forwarded-For": "203.0.113.1"}).status_code == 401
    assert attempt(app, **{"X-Forwarded-For": "6.6.6.6, 203.0.113.1"}).status_code == 429
    assert attempt(app, **{"X-Forwarded-For": "203.0.113.2"}).status_code == 401


def test_nothing_is_counted_with_limits_off(make_app: MakeApp, own_valkey: str) -> None:
    app = make_app(rate_limits="off", posts_per_minute=1, sign_ins_per_minute=1, redis_url=own_valkey)
    ada = sign_up(app, "ada@example.com")
    answers = [ada.post("/api/messages", {"content": "x"}) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {202}
    assert not HEADERS & set(answers[-1].headers.keys())
    again = {"email": ada.email, "password": PASSWORD}
    assert [app.test_client().post("/api/session", json=again).status_code for _ in range(3)] == [201] * 3
