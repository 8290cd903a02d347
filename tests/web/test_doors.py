"""Who may do what with the pages, and where a form leads."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from tests.support.stack import PASSWORD
from tests.web.conftest import MakeSite
from tests.web.visitor import HTML, Visitor

NOWHERE = "/chat/01935a3e-0000-7000-8000-000000000000"


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
def test_a_form_sent_after_signing_out_is_kept_and_comes_back_to_its_page(
    make_site: MakeSite, path: str, back: str
) -> None:
    client = make_site().test_client()
    for sender, there in (("", back), ("http://localhost/settings", "/settings"), ("http://evil.example/x", back)):
        response = client.post(path, data={"content": "kept for you"}, headers=HTML | {"Referer": sender})
        assert response.status_code == 401
        assert "kept for you" in response.text
        assert f'href="/signin?next={there}"' in response.text


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
def test_signing_in_does_not_lead_off_the_site(visitor: Visitor, there: str) -> None:
    signed_in = visitor.client.get("/signin", query_string={"next": there})
    assert (signed_in.status_code, signed_in.location) == (303, "/")
    visitor.post("/signout")
    shown = visitor.client.get("/signin", query_string={"next": there})
    assert 'name="next" value="/"' in shown.text
    response = visitor.post("/signin", email=visitor.email, password=PASSWORD, next=there)
    assert (response.status_code, response.location) == (303, "/")


@pytest.mark.parametrize("path", ["/signin", "/signup"])
def test_another_sites_page_can_sign_nobody_in(visitor: Visitor, path: str) -> None:
    visitor.post("/signout")
    foreign = {"Origin": "https://evil.example"}
    response = visitor.post(path, headers=foreign, email=visitor.email, password=PASSWORD)
    assert response.status_code == 403
    assert response.mimetype == "text/html"
    assert visitor.get("/chat").status_code == 303


@pytest.mark.parametrize("path", ["/chat", NOWHERE, f"{NOWHERE}/cancel", "/signout"])
def test_what_changes_something_needs_the_token_and_the_own_origin(visitor: Visitor, path: str) -> None:
    assert visitor.post(path, content="hi", headers={"Origin": "https://evil.example"}).status_code == 403
    visitor.token = ""
    refused = visitor.post(path, content="kept for you")
    assert refused.status_code == 403
    assert "kept for you" in refused.text
    assert visitor.get("/chat").status_code == 200
    assert visitor.client.get("/api/threads").json["data"] == []


def test_somebody_elses_thread_is_not_found(visitor: Visitor) -> None:
    address = visitor.post("/chat", content="mine").location
    eve = Visitor(visitor.client.application.test_client())
    eve.sign_up()
    page, posted = eve.get(address), eve.post(address, content="yours")
    message_id = visitor.client.get(f"/api/threads/{address.rpartition('/')[2]}/messages").json["data"][1]["id"]
    stopped = eve.post(f"{address}/cancel", message_id=message_id)
    assert [page.status_code, posted.status_code, stopped.status_code] == [404, 404, 404]
    assert all("There is no such chat" in refused.text for refused in (page, posted))
    assert "mine" not in page.text
    assert "mine" in visitor.get(address).text


def test_a_form_that_is_sent_twice_posts_once(visitor: Visitor) -> None:
    fields = {"content": "only once", "once": "form-1"}
    first, second = visitor.post("/chat", **fields), visitor.post("/chat", **fields)
    assert (first.status_code, first.location) == (second.status_code, second.location)
    changed = visitor.post(first.location, content="only once", once="form-1")
    assert changed.status_code == 303
    assert len(visitor.client.get("/api/threads").json["data"]) == 1
    assert visitor.get(first.location).text.count('class="message user" id=') == 2


def test_older_threads_and_messages_are_a_link_away(visitor: Visitor) -> None:
    address = visitor.post("/chat", content="message 0").location
    for number in range(1, 27):
        visitor.post(address, content=f"message {number}.")
    newest = visitor.get(address).text
    assert "message 26." in newest
    assert "message 1." not in newest
    older = re.search(r'href="(/chat/[^"]+cursor=[^"]+)"[^>]*>Older messages', newest)
    assert older
    assert "message 1." in visitor.get(older[1]).text
    for number in range(31):
        visitor.post("/chat", content=f"thread {number}.")
    listed = visitor.get("/chat").text
    assert "thread 30." in listed
    next_page = re.search(r'href="(/chat\?cursor=[^"]+)">Older chats', listed)
    assert next_page
    assert "thread 0." in visitor.get(next_page[1]).text
