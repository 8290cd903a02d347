"""Signing in with a cookie: begun, used, copied, ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import select, update

from app.clock import now
from app.database import reading, transaction
from app.models import LoginSession, User
from tests.api.conftest import PASSWORD, MakeApp, Person, sign_up
from tests.auth.conftest import Browser, SignIn

EMAILS = ("ada@example.com", "nobody@example.com")


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def with_cookie(app: Flask, cookie: str) -> int:
    """What another browser gets with a copied cookie."""
    thief = app.test_client()
    thief.set_cookie("session", cookie)
    return thief.get("/api/me").status_code


def test_signing_in_answers_201_with_the_user_and_a_token(app: Flask, ada: Person) -> None:
    client = app.test_client()
    answer = client.post("/api/session", json={"email": "ADA@Example.com", "password": PASSWORD})
    assert answer.status_code == 201
    assert set(answer.json) == {"user", "csrf_token"}
    assert answer.json["user"] == client.get("/api/me").json == ada.get("/api/me").json
    assert set(answer.json["user"]) == set(
        "id external_id email name image credits created_at preferences".split()  # noqa: SIM905
    )


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(make_app: MakeApp) -> None:
    for secure in (False, True):
        app = make_app(secure_cookies=secure)
        email = sign_up(app, f"ada-{int(secure)}@example.com").email
        answer = app.test_client().post("/api/session", json={"email": email, "password": PASSWORD})
        attributes = {part.strip() for part in answer.headers["Set-Cookie"].split(";")[1:]}
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= attributes
        assert ("Secure" in attributes) is secure


def test_a_wrong_password_and_an_unknown_address_cannot_be_told_apart(app: Flask, ada: Person) -> None:
    def attempt(email: str, password: str) -> dict[str, object]:
        answer = app.test_client().post("/api/session", json={"email": email, "password": password})
        assert "Set-Cookie" not in answer.headers
        headers = {name: value for name, value in answer.headers if name != "X-Request-Id"}
        return answer.json | {"request_id": "", "status": answer.status_code, "headers": headers}

    wrong, unknown = attempt(ada.email, "wrong password"), attempt("nobody@example.com", PASSWORD)
    assert wrong == unknown
    assert (wrong["status"], wrong["code"]) == (401, "unauthenticated")
    seconds = {email: min(_seconds(lambda e=email: attempt(e, "wrong")) for _ in range(3)) for email in EMAILS}
    assert min(seconds.values()) > 0.5 * max(seconds.values())
    for password in (PASSWORD + " ", PASSWORD.upper(), "", PASSWORD[:-1], PASSWORD + "\0"):
        assert attempt(ada.email, password) == unknown


def test_signing_out_makes_every_copy_of_the_cookie_worthless(app: Flask, ada: Person, sign_in: SignIn) -> None:
    browser, other_device = sign_in(ada), sign_in(ada)
    cookie = browser.cookie
    assert with_cookie(app, cookie) == 200
    answer = browser.client.delete("/api/session", headers={"X-CSRFToken": browser.csrf})
    assert (answer.status_code, answer.data) == (204, b"")
    assert browser.client.get("/api/me").status_code == 401
    assert with_cookie(app, cookie) == 401
    assert other_device.client.get("/api/me").status_code == 200


def test_a_request_under_way_brings_no_cookie_back_over_a_newer_one(app: Flask, ada: Person, sign_in: SignIn) -> None:
    signed_in, late = sign_in(ada), app.test_client()
    late.set_cookie("session", signed_in.cookie)
    for path in ("/api/me", "/chat"):
        assert "Set-Cookie" not in signed_in.client.get(path).headers
    signed_in.client.delete("/api/session", headers={"X-CSRFToken": signed_in.csrf})
    for path, status in {"/api/me": 401, "/chat": 303}.items():
        answer = late.get(path)
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (status, False)


def test_a_request_with_a_key_leaves_the_cookie_beside_it_alone(ada: Person, sign_in: SignIn) -> None:
    browser = sign_in(ada)
    answer = browser.client.delete("/api/session", headers={"Authorization": f"Bearer {ada.key}"})
    assert answer.status_code == 204
    assert browser.client.get("/api/me").status_code == 200


def test_a_planted_cookie_is_worth_nothing_after_signing_in(app: Flask, ada: Person) -> None:
    attacker = app.test_client()
    known_token = attacker.get("/api/csrf").json["csrf_token"]
    planted = attacker.get_cookie("session")
    assert planted is not None
    victim = app.test_client()
    victim.set_cookie("session", planted.value)
    victim.post("/api/session", json={"email": ada.email, "password": PASSWORD})
    assert attacker.get("/api/me").status_code == 401
    assert victim.get("/api/me").status_code == 200
    assert victim.post("/api/threads", json={}, headers={"X-CSRFToken": known_token}).status_code == 403


def test_signing_in_again_begins_another_session(app: Flask, ada: Person, sign_in: SignIn) -> None:
    browser = sign_in(ada)
    first = browser.cookie
    browser.client.post("/api/session", json={"email": ada.email, "password": PASSWORD})
    assert browser.cookie != first
    with app.app_context(), reading() as session:
        assert len(session.scalars(select(LoginSession)).all()) == 2


def test_a_sign_in_lasts_as_long_as_set_and_no_longer(make_app: MakeApp) -> None:
    app = make_app(session_days=3)
    ada = sign_up(app, "ada@example.com")
    client = app.test_client()
    client.post("/api/session", json={"email": ada.email, "password": PASSWORD})
    with app.app_context(), reading() as session:
        row = session.scalars(select(LoginSession)).one()
    assert abs(row.expires_at - row.created_at - timedelta(days=3)) < timedelta(seconds=2)
    assert client.get("/api/me").status_code == 200
    with app.app_context(), transaction() as session:
        session.execute(update(LoginSession).values(expires_at=now(-1)))
    assert client.get("/api/me").status_code == 401


def test_a_disabled_account_is_out_by_key_cookie_and_password(app: Flask, ada: Person, sign_in: SignIn) -> None:
    browser = sign_in(ada)
    with app.app_context(), transaction() as session:
        session.execute(update(User).where(User.id == UUID(ada.id)).values(disabled_at=now()))
    again = app.test_client().post("/api/session", json={"email": ada.email, "password": PASSWORD})
    assert [ada.get("/api/me").status_code, browser.client.get("/api/me").status_code, again.status_code] == [401] * 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_cookie_signed_with_another_secret_is_worth_nothing(app: Flask, make_app: MakeApp, ada: Person) -> None:
    other = Browser(make_app(secret_key=SecretStr("another")).test_client(), "")
    other.client.post("/api/session", json={"email": ada.email, "password": PASSWORD})
    assert other.client.get("/api/me").status_code == 200
    assert with_cookie(app, other.cookie) == 401
