"""Accounts and keys: made, shown once, kept so that whoever steals the database has neither."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type
from flask import Flask
from sqlalchemy import select, text

from app.database import reading
from app.extensions import db
from app.models import ApiKey, User
from tests.api.conftest import PASSWORD, MakeApp, Person

NEW = {"email": "new@example.com", "password": PASSWORD}


def everything_stored(app: Flask) -> str:
    """All rows of all tables, as text."""
    with app.app_context(), reading() as session:
        rows = [session.execute(text(f'SELECT * FROM "{name}"')).all() for name in db.metadata.tables]
    return repr(rows)


def test_signing_up_answers_201_with_a_user_and_a_key_that_works(app: Flask) -> None:
    client = app.test_client()
    answer = client.post("/api/users", json={"email": "Ada@Example.COM", "password": PASSWORD})
    assert answer.status_code == 201
    assert set(answer.json) == {"user", "api_key"}
    assert answer.json["user"]["email"] == "ada@example.com"
    assert answer.json["user"]["preferences"] == {}
    me = client.get(answer.headers["Location"], headers={"Authorization": f"Bearer {answer.json['api_key']}"})
    assert me.json == answer.json["user"]
    assert client.get("/api/me").status_code == 401


def test_an_address_has_one_account_however_it_is_written(app: Flask) -> None:
    client = app.test_client()
    assert client.post("/api/users", json=NEW).status_code == 201
    for email in ("new@example.com", "NEW@EXAMPLE.COM", " new@example.com "):
        again = client.post("/api/users", json=NEW | {"email": email})
        assert (again.status_code, again.json["code"]) == (409, "email_taken")


def test_of_parallel_sign_ups_with_one_address_one_succeeds(app: Flask) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: app.test_client().post("/api/users", json=NEW).status_code, range(4)))
    assert sorted(found) == [201, 409, 409, 409]


def test_sign_up_can_be_closed(make_app: MakeApp) -> None:
    answer = make_app(signup="closed").test_client().post("/api/users", json=NEW)
    assert (answer.status_code, answer.json["code"]) == (403, "signup_closed")


def test_passwords_are_kept_as_argon2id_hashes_with_salts_of_their_own(app: Flask) -> None:
    for email in ("one@example.com", "two@example.com"):
        app.test_client().post("/api/users", json=NEW | {"email": email})
    with app.app_context(), reading() as session:
        hashes = session.scalars(select(User.password_hash)).all()
    assert len(set(hashes)) == 2
    for hashed in hashes:
        parameters = extract_parameters(hashed)
        assert parameters.type is Type.ID
        assert parameters.memory_cost >= 19_456  # OWASP's least, in KiB
        assert PasswordHasher().verify(hashed, PASSWORD)


def test_nothing_secret_is_stored_as_it_is(app: Flask, ada: Person) -> None:
    second = ada.post("/api/keys", {"name": "second"}).json["key"]
    app.test_client().post("/api/session", json={"email": ada.email, "password": PASSWORD})
    stored = everything_stored(app)
    for secret in (PASSWORD, ada.key, second):
        assert secret not in stored
    with app.app_context(), reading() as session:
        hashes = set(session.scalars(select(ApiKey.key_hash)))
    assert hashes == {sha256(key.encode()).hexdigest() for key in (ada.key, second)}


def test_a_key_is_shown_once_and_listed_without_its_secret(ada: Person, ben: Person) -> None:
    answer = ada.post("/api/keys", {"name": "ci"})
    made = answer.json
    assert answer.status_code == 201
    assert set(made) == {"id", "name", "prefix", "key", "created_at", "revoked_at"}
    assert made["key"].startswith(made["prefix"])
    assert (len(made["key"]) > 40, len(made["prefix"]) < 12) == (True, True)
    listed = ada.get("/api/keys")
    assert set(listed.json) == {"data", "next_cursor"}
    assert listed.json["data"][1] == made | {"key": None}
    assert [key["name"] for key in listed.json["data"]] == ["first key", "ci"]
    assert made["key"] not in listed.text
    assert [key["name"] for key in ben.get("/api/keys").json["data"]] == ["first key"]


def test_a_revoked_key_is_worthless_and_stays_listed(ada: Person, ben: Person) -> None:
    made = ada.post("/api/keys", {"name": "ci"}).json
    with_it = {"Authorization": f"Bearer {made['key']}"}
    assert ada.client.get("/api/me", headers=with_it).status_code == 200
    assert ben.delete(f"/api/keys/{made['id']}").status_code == 404
    revoked = ada.delete(f"/api/keys/{made['id']}")
    assert (revoked.status_code, revoked.data) == (204, b"")
    assert ada.client.get("/api/me", headers=with_it).status_code == 401
    assert ada.delete(f"/api/keys/{made['id']}").status_code == 404
    assert ada.get("/api/keys").json["data"][1]["revoked_at"] is not None
    assert ada.get("/api/me").status_code == 200


def test_a_profile_changes_where_it_is_told_to(ada: Person) -> None:
    before = ada.get("/api/me").json
    changed = ada.patch("/api/me", {"name": "Ada", "image": "https://example.com/a.png"})
    assert changed.status_code == 200
    assert changed.json == before | {"name": "Ada", "image": "https://example.com/a.png"}
    both = {"model": "scripted/x", "temperature": 0.5}
    assert ada.patch("/api/me", {"preferences": both}).json["preferences"] == both
    fewer = ada.patch("/api/me", {"preferences": {"model": None}, "image": None}).json
    assert fewer == ada.get("/api/me").json == before | {"name": "Ada", "preferences": {"temperature": 0.5}}


def test_models_say_what_can_be_used_and_what_to_set_for_the_rest(ada: Person) -> None:
    models = {model["id"]: model for model in ada.get("/api/models").json["data"]}
    assert models["scripted/echo"]["available"] is True
    unavailable = [model for model in models.values() if not model["available"]]
    assert {model["provider"] for model in unavailable} == {"openai", "anthropic", "deepseek", "local"}
    assert all(model["reason"] for model in unavailable)
