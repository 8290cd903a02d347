"""Who may do what with the pages, and what they answer when something is wrong."""

from __future__ import annotations

import re
from itertools import count
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from tests.support.stack import PASSWORD
from tests.web.conftest import MakeSite

NOWHERE = "/chat/01935a3e-0000-7000-8000-000000000000"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

_numbers = count(1)


class Visitor:
    """A browser as far as forms go: cookies, and the token that pages put into their forms."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.client.environ_base["REMOTE_ADDR"] = f"10.0.0.{next(_numbers)}"  # limits count by address
        self.email = f"visitor{next(_numbers)}@example.com"
        self.token = ""

    def get(self, path: str) -> TestResponse:
        response = self.client.get(path, headers=HTML)
        found = re.search(r'name="csrf_token" value="([^"]+)"', response.text)
        self.token = found[1] if found else self.token
        return response

    def post(self, path: str, *, headers: dict[str, str] | None = None, **fields: str) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token} | fields, headers=HTML | (headers or {}))

    def sign_up(self, **fields: str) -> TestResponse:
        response = self.post("/signup", email=self.email, password=PASSWORD, **fields)
        self.get("/chat")
        return response


@pytest.fixture
def ada(make_site: MakeSite) -> Visitor:
    visitor = Visitor(make_site().test_client())
    visitor.sign_up()
    return visitor


def test_the_key_is_shown_once(make_site: MakeSite) -> None:
    visitor = Visitor(make_site().test_client())
    response = visitor.sign_up(next="/chat")
    assert response.status_code == 201
    key = re.search(r"hf_[\w-]{20,}", response.text)
    assert key
    assert 'href="/chat"' in response.text
    assert all(key[0] not in visitor.get(path).text for path in ("/", "/chat"))
    with_key = {"Authorization": f"Bearer {key[0]}"}
    assert visitor.client.get("/api/me", headers=with_key).json["email"] == visitor.email


@pytest.mark.parametrize("path", ["/chat", NOWHERE, f"{NOWHERE}?cursor=x"])
def test_a_page_sends_somebody_unknown_to_sign_in_and_back(make_site: MakeSite, path: str) -> None:
    response = make_site().test_client().get(path, headers=HTML)
    assert (response.status_code, response.location) == (303, f"/signin?next={quote(path, safe='/?')}")


@pytest.mark.parametrize(("path", "back"), [("/chat", "/chat"), (NOWHERE, NOWHERE), (f"{NOWHERE}/cancel", NOWHERE)])
def test_a_form_sent_after_signing_out_comes_back_to_its_page(make_site: MakeSite, path: str, back: str) -> None:
    response = make_site().test_client().post(path, data={"content": "hi"}, headers=HTML)
    assert (response.status_code, response.location) == (303, f"/signin?next={back}")


@pytest.mark.parametrize(
    "there",
    [
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "https://evil.example/",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/\u2028/x",
        "",
    ],
)
def test_signing_in_does_not_lead_off_the_site(ada: Visitor, there: str) -> None:
    signed_in = ada.client.get("/signin", query_string={"next": there})
    assert (signed_in.status_code, signed_in.location) == (303, "/")
    ada.post("/signout")
    shown = ada.client.get("/signin", query_string={"next": there})
    assert 'name="next" value="/"' in shown.text
    response = ada.post("/signin", email=ada.email, password=PASSWORD, next=there)
    assert (response.status_code, response.location) == (303, "/")


@pytest.mark.parametrize("path", ["/signin", "/signup"])
def test_another_sites_page_can_sign_nobody_in(ada: Visitor, path: str) -> None:
    ada.post("/signout")
    foreign = {"Origin": "https://evil.example"}
    response = ada.post(path, headers=foreign, email=ada.email, password=PASSWORD)
    assert response.status_code == 403
    assert response.mimetype == "text/html"
    assert ada.get("/chat").status_code == 303


@pytest.mark.parametrize("path", ["/chat", NOWHERE, f"{NOWHERE}/cancel", "/signout"])
def test_what_changes_something_needs_the_token_and_the_own_origin(ada: Visitor, path: str) -> None:
    assert ada.post(path, content="hi", headers={"Origin": "https://evil.example"}).status_code == 403
    ada.token = ""
    refused = ada.post(path, content="kept for you")
    assert refused.status_code == 403
    assert "kept for you" in refused.text
    assert ada.get("/chat").status_code == 200
    assert ada.client.get("/api/threads").json["data"] == []


def test_somebody_elses_thread_is_not_found(ada: Visitor) -> None:
    address = ada.post("/chat", content="mine").location
    eve = Visitor(ada.client.application.test_client())
    eve.sign_up()
    page, posted = eve.get(address), eve.post(address, content="yours")
    message_id = ada.client.get(f"/api/threads/{address.rpartition('/')[2]}/messages").json["data"][1]["id"]
    stopped = eve.post(f"{address}/cancel", message_id=message_id)
    assert [page.status_code, posted.status_code, stopped.status_code] == [404, 404, 404]
    assert "mine" not in page.text
    assert "mine" in ada.get(address).text


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "Message:"),
        ({"content": "a\0b"}, "Message:"),
        ({"content": "x" * 100_001}, "Message:"),
        ({"content": "hi", "model": "nobody/knows"}, "Model:"),
        ({"content": "hi", "model": "openai/gpt-6.1-terra"}, "set OPENAI_API_KEY"),
    ],
)
def test_a_refused_message_names_its_field_and_stores_nothing(ada: Visitor, fields: dict[str, str], named: str) -> None:
    response = ada.post("/chat", **fields)
    assert response.status_code == 422
    assert named in response.text
    assert ada.client.get("/api/threads").json["data"] == []


@pytest.mark.parametrize(
    ("path", "fields", "named"),
    [
        ("/signup", {"email": "nobody", "password": PASSWORD}, "Email:"),
        ("/signup", {"email": "a@example.com", "password": "short"}, "Password:"),
        ("/signin", {"email": "a@example.com", "password": "wrong password"}, "Password:"),
        ("/signin", {"email": "a\0@example.com", "password": PASSWORD}, "Email:"),
        ("/signin", {}, "Email:"),
    ],
)
def test_a_refused_account_form_names_its_field(
    make_site: MakeSite, path: str, fields: dict[str, str], named: str
) -> None:
    response = make_site().test_client().post(path, data=fields)
    assert response.status_code == 422
    assert f"<strong>{named}</strong>" in response.text
    assert fields.get("password", "no password") not in response.text


def test_an_address_that_has_an_account_is_told_so(ada: Visitor) -> None:
    response = Visitor(ada.client.application.test_client()).post("/signup", email=ada.email, password=PASSWORD)
    assert response.status_code == 422
    assert "sign in instead" in response.text


def test_a_closed_sign_up_says_so(make_site: MakeSite) -> None:
    client = make_site(signup="closed").test_client()
    assert "Sign-up is closed" in client.get("/signup").text
    assert client.post("/signup", data={"email": "a@example.com", "password": PASSWORD}).status_code == 403


def test_a_form_that_is_sent_twice_posts_once(ada: Visitor) -> None:
    fields = {"content": "only once", "once": "form-1"}
    first, second = ada.post("/chat", **fields), ada.post("/chat", **fields)
    assert (first.status_code, first.location) == (second.status_code, second.location)
    changed = ada.post(first.location, content="only once", once="form-1")
    assert changed.status_code == 303
    assert len(ada.client.get("/api/threads").json["data"]) == 1
    assert ada.get(first.location).text.count('class="message user" id=') == 2


def test_the_longest_message_fits_through_a_form(ada: Visitor) -> None:
    assert ada.post("/chat", content="漢" * 100_000).status_code == 303


def test_a_body_over_the_limit_is_a_page(ada: Visitor) -> None:
    response = ada.post("/chat", content="x" * 2_000_001)
    assert (response.status_code, response.mimetype) == (413, "text/html")
    foreign = {"Origin": "https://evil.example"}
    assert ada.post("/signin", content="x" * 2_000_001, headers=foreign).status_code in {403, 413}


def test_posts_from_pages_and_the_api_share_one_limit(make_site: MakeSite) -> None:
    site = make_site(rate_limits="on", posts_per_minute=2)
    visitor = Visitor(site.test_client())
    visitor.sign_up()
    address = visitor.post("/chat", content="one").location
    with_token = {"X-CSRFToken": visitor.token}
    assert visitor.client.post("/api/messages", json={"content": "two"}, headers=with_token).status_code == 202
    refused = visitor.post(address, content="three, kept")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert "three, kept" in refused.text


def test_sign_ins_are_limited(make_site: MakeSite) -> None:
    visitor = Visitor(make_site(rate_limits="on", sign_ins_per_minute=2).test_client())
    wrong = {"email": "a@example.com", "password": "wrong password"}
    assert [visitor.post("/signin", **wrong).status_code for _ in range(3)] == [422, 422, 429]
    assert visitor.get("/signin").status_code == 200


def test_an_unknown_address_is_a_page_for_people_and_json_for_programs(make_site: MakeSite) -> None:
    client = make_site().test_client()
    for path in ("/nowhere", "/chat/nowhere"):
        page = client.get(path, headers=HTML)
        assert (page.status_code, page.mimetype) == (404, "text/html")
        for accept in ({}, {"Accept": "application/json"}, {"Accept": "*/*"}):
            assert client.get(path, headers=accept).mimetype == "application/problem+json"
    assert client.get("/api/nowhere", headers=HTML).mimetype == "application/problem+json"
    wrong_method = client.put("/chat", headers=HTML)
    assert (wrong_method.status_code, wrong_method.mimetype) == (405, "text/html")
    assert "GET" in wrong_method.headers["Allow"]


@pytest.mark.parametrize("path", ["/chat?cursor=garbage", "/chat?cursor=%00"])
def test_a_cursor_of_garbage_is_refused(ada: Visitor, path: str) -> None:
    response = ada.get(path)
    assert response.status_code == 422
    assert "cursor" in response.text


def test_a_database_that_is_away_is_a_page_that_keeps_the_text(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("locked", None, Exception("locked"))

    monkeypatch.setattr("app.chat.sending.send_message", away)
    response = ada.post("/chat", content="do not lose me")
    assert (response.status_code, response.mimetype) == (503, "text/html")
    assert response.headers["Retry-After"]
    assert "do not lose me" in response.text


def test_a_fault_of_ours_is_a_page_with_the_requests_id(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.chat.threads.page", lambda *_, **__: 1 / 0)
    response = ada.get("/chat")
    assert (response.status_code, response.mimetype) == (500, "text/html")
    assert response.headers["X-Request-Id"] in response.text


def test_older_threads_and_messages_are_a_link_away(ada: Visitor) -> None:
    address = ada.post("/chat", content="message 0").location
    for number in range(1, 27):
        ada.post(address, content=f"message {number}.")
    newest = ada.get(address).text
    assert "message 26." in newest
    assert "message 1." not in newest
    older = re.search(r'href="(/chat/[^"]+cursor=[^"]+)">Older messages', newest)
    assert older
    assert "message 1." in ada.get(older[1]).text
    for number in range(31):
        ada.post("/chat", content=f"thread {number}.")
    listed = ada.get("/chat").text
    assert "thread 30." in listed
    next_page = re.search(r'href="(/chat\?cursor=[^"]+)">Older chats', listed)
    assert next_page
    assert "thread 0." in ada.get(next_page[1]).text
