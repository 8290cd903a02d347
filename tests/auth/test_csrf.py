"""What keeps other sites' pages out: the token, the Origin, and that keys need neither."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.database import reading
from app.models import Thread, User
from tests.api.conftest import PASSWORD, Person
from tests.auth.conftest import Browser, SignIn

CHANGES = [
    ("PATCH", "/api/me", {"name": "x"}),
    ("POST", "/api/keys", {"name": "x"}),
    ("POST", "/api/threads", {}),
    ("POST", "/api/messages", {"content": "x"}),
    ("DELETE", "/api/session", None),
]
FOREIGN = [
    "https://evil.example",
    "null",
    "http://localhost.evil.example",
    "http://localhost:81",
    "http://localhost@evil.example",
    "http://evil.example/localhost",
    "http://[evil",
    "localhost",
    "",
]


def change(browser: Browser, **headers: str) -> list[tuple[int, str]]:
    """Status and code of every change with these headers."""
    answers = [browser.client.open(path, method=method, json=body, headers=headers) for method, path, body in CHANGES]
    return [(answer.status_code, answer.json["code"]) for answer in answers]


def test_a_change_by_cookie_needs_the_token(app: Flask, ada: Person, ben: Person, sign_in: SignIn) -> None:
    browser, other = sign_in(ada), sign_in(ben)
    refused = [(403, "forbidden")] * len(CHANGES)
    assert change(browser) == refused
    assert change(browser, **{"X-CSRFToken": ""}) == refused
    assert change(browser, **{"X-CSRFToken": "x" * 1_000}) == refused
    assert change(browser, **{"X-CSRFToken": browser.csrf[:-1]}) == refused
    assert change(browser, **{"X-CSRFToken": other.csrf}) == refused
    with app.app_context(), reading() as session:
        assert session.scalars(select(func.count()).select_from(Thread)).one() == 0
    again = browser.client.get("/api/csrf").json["csrf_token"]
    for token in (browser.csrf, again):
        made = browser.client.post("/api/threads", json={}, headers={"X-CSRFToken": token})
        assert made.status_code == 201


def test_a_change_from_another_sites_page_is_refused_even_with_the_token(ada: Person, sign_in: SignIn) -> None:
    browser = sign_in(ada)
    for origin in FOREIGN:
        found = change(browser, **{"X-CSRFToken": browser.csrf, "Origin": origin})
        assert found == [(403, "forbidden")] * len(CHANGES), origin
    own = {"X-CSRFToken": browser.csrf, "Origin": "http://localhost"}
    assert browser.client.post("/api/threads", json={}, headers=own).status_code == 201


def test_reading_by_cookie_needs_no_token(ada: Person, sign_in: SignIn) -> None:
    browser = sign_in(ada)
    for path in ("/api/me", "/api/threads", "/api/keys", "/api/models"):
        assert browser.client.get(path).status_code == 200


def test_a_key_needs_no_token_whatever_its_origin(ada: Person) -> None:
    answer = ada.post("/api/threads", headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 201


def test_signing_in_and_up_look_at_the_origin(app: Flask, ada: Person) -> None:
    new = {"email": "new@example.com", "password": PASSWORD}
    for origin in FOREIGN:
        for path, body in (("/api/session", {"email": ada.email, "password": PASSWORD}), ("/api/users", new)):
            answer = app.test_client().post(path, json=body, headers={"Origin": origin})
            assert (answer.status_code, answer.json["code"]) == (403, "forbidden"), (path, origin)
            assert "Set-Cookie" not in answer.headers
    with app.app_context(), reading() as session:
        assert session.scalars(select(func.count()).select_from(User)).one() == 1
    assert app.test_client().post("/api/users", json=new, headers={"Origin": "http://localhost"}).status_code == 201


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_token_needs_the_cookie_it_belongs_to(app: Flask) -> None:
    nobody = app.test_client()
    answer = nobody.get("/api/csrf")
    assert set(answer.json) == {"csrf_token"}
    assert answer.headers["Cache-Control"] == "no-store"
    posted = nobody.post("/api/threads", json={}, headers={"X-CSRFToken": answer.json["csrf_token"]})
    assert posted.status_code == 401
