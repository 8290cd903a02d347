"""Every route under /api times everybody who might ask. A route that is not classified here fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.conftest import PASSWORD, Person

# Answers by who asks. Owner: with a key of theirs, or signed in. Nobody: no, wrong, revoked credentials.
PUBLIC, OWN, OBJECT = "public", "own", "object"


@dataclass(frozen=True, slots=True)
class Route:
    """`kind`: public answers anybody; own answers about whoever asks; object has an owner, and is 404 to others."""

    kind: str
    status: int
    body: dict[str, Any] | None = None


NOBODY = "00000000-0000-7000-8000-000000000000"
CREDENTIALS = {"email": "ada@example.com", "password": PASSWORD}
UI_MESSAGE = {"id": "m", "role": "user", "parts": [{"type": "text", "text": "x"}]}
# In this order: what deletes stands last.
ROUTES = {
    "GET /api/openapi.json": Route(PUBLIC, 200),
    "GET /api/docs/": Route(PUBLIC, 200),
    "GET /api/docs/openapi.json": Route(PUBLIC, 200),
    "GET /api/docs/swagger": Route(PUBLIC, 200),
    "GET /api/docs/oauth2-redirect.html": Route(PUBLIC, 200),
    "GET /api/docs/static/<path:filename>": Route(PUBLIC, 404),
    "GET /api/docs/swagger/<path:filename>": Route(PUBLIC, 404),
    "GET /api/csrf": Route(PUBLIC, 200),
    "POST /api/users": Route(PUBLIC, 409, CREDENTIALS),
    "POST /api/session": Route(PUBLIC, 201, CREDENTIALS),
    "GET /api/models": Route(OWN, 200),
    "GET /api/tools": Route(OWN, 200),
    "GET /api/me": Route(OWN, 200),
    "PATCH /api/me": Route(OWN, 200, {"name": "Name"}),
    "GET /api/keys": Route(OWN, 200),
    "POST /api/keys": Route(OWN, 201, {"name": "new"}),
    "GET /api/threads": Route(OWN, 200),
    "POST /api/threads": Route(OWN, 201, {}),
    "POST /api/messages": Route(OWN, 202, {"content": "x"}),
    "POST /api/chat": Route(OWN, 200, {"id": "chat", "message": UI_MESSAGE}),
    "GET /api/chat/<path:chat_id>/stream": Route(OWN, 204),
    "GET /api/threads/<uuid:thread_id>": Route(OBJECT, 200),
    "PATCH /api/threads/<uuid:thread_id>": Route(OBJECT, 200, {"title": "Title"}),
    "GET /api/threads/<uuid:thread_id>/messages": Route(OBJECT, 200),
    "POST /api/threads/<uuid:thread_id>/messages": Route(OBJECT, 202, {"content": "x"}),
    "GET /api/threads/<uuid:thread_id>/events": Route(OBJECT, 200),
    "POST /api/threads/<uuid:thread_id>/solve": Route(OBJECT, 202, {"goal": "x"}),
    "GET /api/messages/<uuid:message_id>": Route(OBJECT, 200),
    "GET /api/messages/<uuid:message_id>/receipt": Route(OBJECT, 200),
    "GET /api/messages/<uuid:message_id>/events": Route(OBJECT, 200),
    # Of a reply that is pending: what its state does not allow is refused to its owner alone.
    "PATCH /api/messages/<uuid:message_id>": Route(OBJECT, 422, {"content": "x"}),
    "POST /api/messages/<uuid:message_id>/regenerate": Route(OBJECT, 202, {}),
    "POST /api/messages/<uuid:message_id>/continue": Route(OBJECT, 409),
    "POST /api/messages/<uuid:message_id>/wake": Route(OBJECT, 200),
    "POST /api/messages/<uuid:message_id>/snooze": Route(OBJECT, 409, {"seconds": 1}),
    "POST /api/messages/<uuid:message_id>/input": Route(OBJECT, 409, {"action_id": NOBODY, "content": "x"}),
    "POST /api/messages/<uuid:message_id>/cancel": Route(OBJECT, 200),
    "DELETE /api/messages/<uuid:message_id>": Route(OBJECT, 409),
    "DELETE /api/threads/<uuid:thread_id>": Route(OBJECT, 204),
    "DELETE /api/keys/<uuid:key_id>": Route(OBJECT, 204),
    "DELETE /api/session": Route(OWN, 204),
}


def rules(app: Flask) -> set[str]:
    """Every method and rule under /api."""
    return {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api")
    }


@dataclass(frozen=True, slots=True)
class Things:
    """What the owner has."""

    thread_id: str
    message_id: str
    key_id: str

    def address(self, rule: str) -> str:
        for name in ("thread_id", "message_id", "key_id"):
            rule = rule.replace(f"<uuid:{name}>", getattr(self, name))
        return rule.replace("<path:filename>", "nothing")


def things(person: Person) -> Things:
    sent = person.say()
    key = person.post("/api/keys", {"name": "extra"}).json
    return Things(sent["thread"]["id"], sent["reply"]["id"], key["id"])


def ask(client: FlaskClient, name: str, has: Things, headers: dict[str, str]) -> int:
    """The status of one route; a stream is not read to its end."""
    method, _, rule = name.partition(" ")
    answer = client.open(has.address(rule), method=method, json=ROUTES[name].body, headers=headers, buffered=False)
    answer.close()
    return answer.status_code


def ask_all(client: FlaskClient, has: Things, headers: dict[str, str], kinds: set[str]) -> dict[str, int]:
    return {name: ask(client, name, has, headers) for name, route in ROUTES.items() if route.kind in kinds}


def expected(kinds: set[str], status: int | None = None) -> dict[str, int]:
    return {name: status or route.status for name, route in ROUTES.items() if route.kind in kinds}


def signed_in(app: Flask, person: Person) -> tuple[FlaskClient, dict[str, str]]:
    """A browser of theirs, and the header its changes need."""
    client = app.test_client()
    answer = client.post("/api/session", json={"email": person.email, "password": PASSWORD})
    assert answer.status_code == 201
    return client, {"X-CSRFToken": answer.json["csrf_token"]}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_route_is_classified(app: Flask) -> None:
    assert rules(app) == set(ROUTES)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_document_says_of_each_route_whether_it_is_public(app: Flask) -> None:
    document = app.test_client().get("/api/openapi.json").json
    assert document["security"] == [{"key": []}, {"session": []}]
    documented = {
        f"{method.upper()} {path}": operation.get("security") == []
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    classified = {name.replace("<uuid:", "{").replace(">", "}"): route.kind == PUBLIC for name, route in ROUTES.items()}
    assert documented == {name: public for name, public in classified.items() if name in documented}


def test_the_owner_comes_in_everywhere_by_key(ada: Person) -> None:
    kinds = {PUBLIC, OWN, OBJECT}
    found = ask_all(ada.client, things(ada), {"Authorization": f"bearer   {ada.key} "}, kinds)
    assert found == expected(kinds)


def test_the_owner_comes_in_everywhere_by_cookie(app: Flask, ada: Person) -> None:
    client, csrf = signed_in(app, ada)
    found = ask_all(client, things(ada), csrf, {OWN, OBJECT})
    assert found == expected({OWN, OBJECT})


def test_somebody_else_sees_no_object_of_others(app: Flask, ada: Person, ben: Person) -> None:
    has, kinds = things(ada), {OBJECT}
    client, csrf = signed_in(app, ben)
    before = ada.get(f"/api/threads/{has.thread_id}").json
    assert ask_all(ben.client, has, {"Authorization": f"Bearer {ben.key}"}, kinds) == expected(kinds, 404)
    assert ask_all(client, has, csrf, kinds) == expected(kinds, 404)
    assert ada.get(f"/api/threads/{has.thread_id}").json == before


def test_nobody_comes_in_without_a_valid_credential(app: Flask, ada: Person) -> None:
    has, kinds = things(ada), {OWN, OBJECT}
    revoked = ada.post("/api/keys", {"name": "gone"}).json
    ada.delete(f"/api/keys/{revoked['id']}")
    client, csrf = signed_in(app, ada)
    signed_out, old_csrf = signed_in(app, ada)
    cookie = signed_out.get_cookie("session")
    signed_out.delete("/api/session", headers=old_csrf)
    assert cookie is not None
    signed_out.set_cookie("session", cookie.value)
    wrong = {
        "nothing": (ada.client, {}),
        "a revoked key": (ada.client, {"Authorization": f"Bearer {revoked['key']}"}),
        "an empty key": (ada.client, {"Authorization": "Bearer "}),
        "the key's fingerprint": (ada.client, {"Authorization": f"Bearer {ada.id}"}),
        "another scheme": (ada.client, {"Authorization": f"Basic {ada.key}"}),
        "a wrong key beside a valid cookie": (client, csrf | {"Authorization": "Bearer hf_wrong"}),
        "a copied cookie after signing out": (signed_out, old_csrf),
        "a forged cookie": (app.test_client(), {"Cookie": "session=eyJfdXNlcl9pZCI6IngifQ.aaaa.bbbb"}),
    }
    for who, (by, headers) in wrong.items():
        assert ask_all(by, has, headers, kinds) == expected(kinds, 401), who
    assert ada.get(f"/api/threads/{has.thread_id}").status_code == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_asks_is_looked_at_before_what_they_ask(app: Flask) -> None:
    nobody = app.test_client()
    asked = [
        nobody.post("/api/messages", data=b"{", content_type="application/json"),
        nobody.post("/api/messages", data=b"x" * 3_000_000, content_type="text/plain"),
        nobody.get("/api/threads?limit=wrong&cursor=garbage"),
        nobody.get("/api/threads/00000000-0000-7000-8000-000000000000/events?after=garbage"),
    ]
    assert [answer.status_code for answer in asked] == [401] * 4
    assert {answer.headers["WWW-Authenticate"] for answer in asked} == {"Bearer"}


def test_a_key_lets_in_without_a_look_at_cookies(app: Flask, ada: Person, ben: Person) -> None:
    client, _ = signed_in(app, ben)
    mine = {"Authorization": f"Bearer {ada.key}"}
    assert client.get("/api/me", headers=mine).json["id"] == ada.id
    assert client.post("/api/threads", json={}, headers=mine).json["user_id"] == ada.id
    assert client.get("/api/me").json["id"] == ben.id
