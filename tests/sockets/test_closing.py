"""/ws over a real socket: every reason for which it is closed, and what is left of it."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from tests.api.conftest import PASSWORD, Person
from tests.sockets.conftest import MakeApp, Serve, Site, sign_up
from tests.sockets.talk import talking
from tests.support.stack import until

ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CREATED, SNAPSHOT, CANCELLED, UPDATED = "message.created", "thread.snapshot", "message.cancelled", "thread.updated"


@ONE_DATABASE
@pytest.mark.parametrize("message", [b"\0", "x" * 20_001, "hello", '{"type": "hello"}'])
def test_who_goes_on_so_is_closed(make_app: MakeApp, serve: Serve, message: str | bytes) -> None:
    site = serve(make_app(max_body_bytes=20_000))
    with site.talk(sign_up(site.app, "ada@example.com")) as talk:
        for _ in range(9):
            talk.raw(message)
            talk.hear("error")
        talk.raw(message)
        talk.hear("error")
        assert talk.closed() == 1008


def revoke(person: Person) -> None:
    [key] = person.get("/api/keys").json["data"]
    person.delete(f"/api/keys/{key['id']}")


@pytest.mark.parametrize("follows", [True, False])
def test_a_revoked_key_closes_what_it_has_opened(site: Site, ada: Person, follows: bool) -> None:
    thread_id = ada.say()["thread"]["id"]
    with site.talk(ada) as talk:
        if follows:
            talk.say("subscribe", thread_id=thread_id)
            talk.hear(SNAPSHOT)
        began = time.monotonic()
        revoke(ada)
        assert talk.closed(6) == 1008
        assert time.monotonic() - began < 5


def test_nothing_is_done_for_a_revoked_key_even_before_that(make_app: MakeApp, serve: Serve) -> None:
    site = serve(make_app(recheck_seconds=4))
    ada, ben = sign_up(site.app, "ada@example.com"), sign_up(site.app, "ben@example.com")
    thread_id = ada.say()["thread"]["id"]
    with site.talk(ada) as talk, site.talk(ben) as other:
        revoke(ada)
        talk.say("message", content="too late", thread_id=thread_id)
        assert talk.closed() == 1008
        other.silent()


def test_signing_out_closes_what_the_cookie_has_opened(site: Site, ada: Person) -> None:
    browser = site.app.test_client()
    token = browser.post("/api/session", json={"email": ada.email, "password": PASSWORD}).json["csrf_token"]
    cookie = "; ".join(f"{found.key}={found.value}" for found in browser._cookies.values())
    with talking(site.url, {"Cookie": cookie}) as talk:
        assert browser.delete("/api/session", headers={"X-CSRFToken": token}).status_code == 204
        assert talk.closed(6) == 1008


def test_a_restart_closes_all_and_says_so(site: Site, ada: Person) -> None:
    thread_id = ada.say()["thread"]["id"]
    with site.talk(ada) as idle, site.talk(ada) as busy:
        busy.say("subscribe", thread_id=thread_id)
        busy.hear(SNAPSHOT)
        site.app.extensions["sockets"].close()
        site.app.extensions["hub"].close()
        assert (idle.closed(), busy.closed()) == (1012, 1012)
        with pytest.raises(ConnectionClosedError) as late, site.talk(ada):
            pass
        assert late.value.rcvd is not None
        assert late.value.rcvd.code == 1012


def test_nothing_is_left_of_a_connection_that_ended(site: Site, ada: Person) -> None:
    thread_id = ada.say()["thread"]["id"]
    before = set(threading.enumerate())
    for how in ("left", "cut"):
        with site.talk(ada) as talk:
            talk.say("subscribe", thread_id=thread_id)
            talk.hear(SNAPSHOT)
            assert (site.sockets, site.readers) == (1, 1)
            if how == "cut":
                talk.connection.socket.shutdown(socket.SHUT_RDWR)
        until(lambda: (site.sockets, site.readers) == (0, 0), what="the end")
    lasting = {"hub", "hub-watch", "hub-look", "sockets-look"}
    until(lambda: {one.name for one in set(threading.enumerate()) - before} <= lasting, what="the end of its threads")


def test_it_is_logged_when_one_opens_and_why_it_closes(
    site: Site, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    def lines(event: str) -> list[dict[str, Any]]:
        found = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        return [line for line in found if line["event"] == event]

    with site.talk(ada) as talk:
        talk.say("message", content="a secret")
        talk.hear(CREATED)
        talk.hear(CREATED)
    [closed] = until(lambda: lines("socket closed"), what="the line")
    [opened] = lines("socket opened")
    about = {"connection_id": talk.id, "route": "/ws", "user_id": ada.id}
    assert about.items() <= opened.items()
    assert about.items() <= closed.items()
    assert (opened["open"], closed["open"]) == (1, 0)
    assert (closed["code"], closed["reason"]) == (1000, "left by the client")
    assert (closed["events"], closed["received"]) == (3, 1)
    assert closed["seconds"] > 0
    assert 0 <= closed["lag_ms"] < 5_000
    assert "a secret" not in caplog.text
