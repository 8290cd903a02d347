"""Who may open a WebSocket, from which page, and what else is asked of the request."""

from __future__ import annotations

import socket

import pytest
from flask import Flask
from websockets.exceptions import InvalidStatus

from tests.api.conftest import PASSWORD, Person
from tests.sockets.conftest import MakeApp, Serve, Site, sign_up
from tests.sockets.talk import talking

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def asked(site: Site, person: Person | None = None, **headers: str) -> tuple[int, bytes]:
    """The status and the head and body of the answer to GET /ws with exactly these headers."""
    mine = {"Authorization": f"Bearer {person.key}"} if person is not None else {}
    lines = "".join(
        f"{name}: {value}\r\n" for name, value in {"Host": f"127.0.0.1:{site.port}", **mine, **headers}.items()
    )
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as sock:
        sock.sendall(f"GET /ws HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        answer = b""
        while chunk := sock.recv(65_536):
            answer += chunk
            if answer.startswith(b"HTTP/1.1 101") and b"\r\n\r\n" in answer:
                break
    return int(answer.split(b" ", 2)[1]), answer


def cookie(app: Flask, person: Person) -> str:
    """The cookie of somebody who has signed in."""
    browser = app.test_client()
    signed_in = browser.post("/api/session", json={"email": person.email, "password": PASSWORD})
    assert signed_in.status_code == 201
    return "; ".join(f"{found.key}={found.value}" for found in browser._cookies.values())


def test_the_answer_is_what_the_standard_says(site: Site, ada: Person) -> None:
    status, answer = asked(site, ada, **HANDSHAKE, **{"X-Request-Id": "mine"})
    head = answer.partition(b"\r\n\r\n")[0].decode().splitlines()
    assert (status, head[0]) == (101, "HTTP/1.1 101 Switching Protocols")
    members = dict(line.lower().split(": ", 1) for line in head[1:])
    assert (members["upgrade"], members["connection"]) == ("websocket", "upgrade")
    assert members["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".lower()
    assert members["x-request-id"] == "mine"
    assert not {"content-type", "content-length", "sec-websocket-extensions"} & set(members)


def test_header_names_and_tokens_may_be_written_as_proxies_do(site: Site, ada: Person) -> None:
    proxied = HANDSHAKE | {"Upgrade": "WebSocket", "Connection": "keep-alive, Upgrade"}
    assert asked(site, ada, **proxied)[0] == 101


@pytest.mark.parametrize("missing", ["Upgrade", "Connection", "Sec-WebSocket-Version"])
def test_what_asks_for_no_websocket_is_told_to(site: Site, ada: Person, missing: str) -> None:
    status, answer = asked(site, ada, **{name: value for name, value in HANDSHAKE.items() if name != missing})
    assert status == 426
    assert b"application/problem+json" in answer
    assert b'"code": "upgrade_required"' in answer
    assert b"\r\nUpgrade: websocket\r\n" in answer
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in answer


def test_another_version_is_told_which_one_is_spoken(site: Site, ada: Person) -> None:
    assert asked(site, ada, **(HANDSHAKE | {"Sec-WebSocket-Version": "8"}))[0] == 426


@pytest.mark.parametrize("key", ["", "short", "not base64 at all!!!!!!!", "ÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿ=="])
def test_a_key_that_is_none_is_refused(site: Site, ada: Person, key: str) -> None:
    assert asked(site, ada, **(HANDSHAKE | {"Sec-WebSocket-Key": key}))[0] == 400


def test_a_request_without_a_socket_is_told_too(ada: Person) -> None:
    answer = ada.get("/ws", headers=HANDSHAKE)
    assert (answer.status_code, answer.json["code"]) == (426, "upgrade_required")
    assert ada.post("/ws").status_code == 405


@pytest.mark.parametrize("credentials", [{}, {"Authorization": "Bearer hf_wrong"}, {"Cookie": "session=forged"}])
def test_nobody_is_let_in(site: Site, credentials: dict[str, str]) -> None:
    status, answer = asked(site, None, **HANDSHAKE, **credentials)
    assert status == 401
    assert b'"code": "unauthenticated"' in answer


def test_a_revoked_key_is_not_let_in(site: Site, ada: Person) -> None:
    [key] = ada.get("/api/keys").json["data"]
    ada.delete(f"/api/keys/{key['id']}")
    assert asked(site, ada, **HANDSHAKE)[0] == 401


def test_a_browser_is_let_in_by_its_cookie_from_our_own_pages(site: Site, ada: Person) -> None:
    signed_in = {"Cookie": cookie(site.app, ada)}
    own = f"http://127.0.0.1:{site.port}"
    assert asked(site, None, **HANDSHAKE, **signed_in, Origin=own)[0] == 101
    assert asked(site, None, **HANDSHAKE, **signed_in)[0] == 101  # no browser: those always say where they are


def test_other_pages_are_kept_out_whatever_they_bring(site: Site, ada: Person) -> None:
    for credentials in ({"Cookie": cookie(site.app, ada)}, {"Authorization": f"Bearer {ada.key}"}):
        for origin in ("https://evil.example", "null", "", "http://127.0.0.1", "http://[", "file://"):
            status, answer = asked(site, None, **HANDSHAKE, **credentials, Origin=origin)
            assert status == 403, origin
            assert b'"code": "forbidden"' in answer


def test_named_origins_are_let_in_with_a_key_and_never_by_cookie(make_app: MakeApp, serve: Serve) -> None:
    site = serve(make_app(cors_origins=["https://friend.example"]))
    ada = sign_up(site.app, "ada@example.com")
    friend = {"Origin": "https://friend.example"}
    assert asked(site, ada, **HANDSHAKE, **friend)[0] == 101
    assert asked(site, None, **HANDSHAKE, **friend, Cookie=cookie(site.app, ada))[0] == 403
    assert asked(site, ada, **HANDSHAKE, Origin="https://foe.example")[0] == 403


def test_a_client_is_told_why_it_was_refused(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused, talking(site.url):
        pass
    assert refused.value.response.status_code == 401
    assert b"unauthenticated" in refused.value.response.body
