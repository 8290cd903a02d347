"""What the pages answer when something is wrong."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from tests.support.stack import PASSWORD
from tests.web.conftest import MakeSite
from tests.web.visitor import HTML, Visitor


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
def test_a_refused_message_names_its_field_and_stores_nothing(
    visitor: Visitor, fields: dict[str, str], named: str
) -> None:
    response = visitor.post("/chat", **fields)
    assert response.status_code == 422
    assert named in response.text
    assert visitor.client.get("/api/threads").json["data"] == []


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
    assert "items" not in response.text
    assert fields.get("password", "no password") not in response.text


def test_an_address_that_has_an_account_is_told_so(visitor: Visitor) -> None:
    response = Visitor(visitor.client.application.test_client()).post("/signup", email=visitor.email, password=PASSWORD)
    assert response.status_code == 422
    assert "sign in instead" in response.text


def test_a_closed_sign_up_says_so(make_site: MakeSite) -> None:
    client = make_site(signup="closed").test_client()
    assert "Sign-up is closed" in client.get("/signup").text
    assert client.post("/signup", data={"email": "a@example.com", "password": PASSWORD}).status_code == 403


def test_the_longest_message_fits_through_a_form(visitor: Visitor) -> None:
    assert visitor.post("/chat", content="漢" * 100_000).status_code == 303


def test_a_body_over_the_limit_is_a_page(visitor: Visitor) -> None:
    response = visitor.post("/chat", content="x" * 2_000_001)
    assert (response.status_code, response.mimetype) == (413, "text/html")
    foreign = {"Origin": "https://evil.example"}
    assert visitor.post("/signin", content="x" * 2_000_001, headers=foreign).status_code in {403, 413}


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
def test_a_cursor_of_garbage_is_refused(visitor: Visitor, path: str) -> None:
    response = visitor.get(path)
    assert response.status_code == 422
    assert "cursor" in response.text


def test_a_database_that_is_away_is_a_page_that_keeps_the_text(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("locked", None, Exception("locked"))

    monkeypatch.setattr("app.chat.sending.send_message", away)
    response = visitor.post("/chat", content="do not lose me")
    assert (response.status_code, response.mimetype) == (503, "text/html")
    assert response.headers["Retry-After"]
    assert "do not lose me" in response.text


def test_a_fault_of_ours_is_a_page_with_the_requests_id(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.chat.threads.page", lambda *_, **__: 1 / 0)
    response = visitor.get("/chat")
    assert (response.status_code, response.mimetype) == (500, "text/html")
    assert response.headers["X-Request-Id"] in response.text
