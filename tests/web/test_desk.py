"""The panes beside a page: chats, search, archive, themes and what can be done with a whole thread."""

from __future__ import annotations

import pytest

from tests.web.thread_page import ThreadPage, one, parsed
from tests.web.visitor import Visitor


def titles(visitor: Visitor, path: str) -> list[str]:
    return [link.text() for link in parsed(visitor.get(path)).css(".threads a")]


def test_every_page_of_somebody_signed_in_has_the_three_panes(visitor: Visitor) -> None:
    address = visitor.post("/chat", content="hello").location
    for path in ("/", "/chat", address, "/settings"):
        tree = parsed(visitor.get(path))
        assert [pane.attributes["data-name"] for pane in tree.css("hud-pane")] == ["chat", "chats", "user"], path
        facts = [node.text() for node in one(tree, "#pane-user .facts").css("dt, dd")]
        assert facts == ["Account", visitor.email, "Model", "Script: says what it is told"], path
        assert "Script: says what it is told" in one(tree, ".foot").text()
        assert len(tree.css("h1")) == 1


def test_a_search_finds_what_was_written(visitor: Visitor) -> None:
    for text in ("the quick fox", "the lazy dog"):
        visitor.post("/chat", content=text)
    assert titles(visitor, "/chat?q=LAZY+the") == ["the lazy dog"]
    assert titles(visitor, "/chat?q=nothing") == []
    assert titles(visitor, "/chat?q=%00%25") == []
    eve = Visitor(visitor.client.application.test_client())
    eve.sign_up()
    assert titles(eve, "/chat?q=lazy") == []


def test_a_chat_is_found_once_however_often_it_says_so(visitor: Visitor) -> None:
    address = visitor.post("/chat", content="again").location
    visitor.post(address, content="again and again")
    tree = parsed(visitor.get("/chat?q=again"))
    assert len(tree.css(".threads a")) == 1
    assert "again and again" in one(tree, ".excerpt").text()


def test_a_thread_goes_into_the_archive_and_comes_out(visitor: Visitor) -> None:
    address = visitor.post("/chat", content="old").location
    assert visitor.post(f"{address}/archive", archived="1").location == address
    assert (titles(visitor, "/chat"), titles(visitor, "/chat?archived=1")) == ([], ["old"])
    assert "archived" in one(parsed(visitor.get(address)), ".thread-head .tag").text()
    visitor.post(f"{address}/archive", archived="")
    assert (titles(visitor, "/chat"), titles(visitor, "/chat?archived=1")) == (["old"], [])


def test_a_thread_is_called_something_else(visitor: Visitor) -> None:
    address = visitor.post("/chat", content="old").location
    assert visitor.post(f"{address}/title", title="  <b>new</b> ").status_code == 303
    assert one(parsed(visitor.get(address)), "h1").text() == "<b>new</b>"
    assert visitor.post(f"{address}/title", title=" ").status_code == 422
    assert one(parsed(visitor.get(address)), "h1").text() == "<b>new</b>"


def test_a_thread_is_deleted(visitor: Visitor) -> None:
    address = visitor.post("/chat", content="old").location
    assert visitor.post(f"{address}/delete").location == "/chat"
    assert visitor.get(address).status_code == 404
    assert titles(visitor, "/chat") == []


@pytest.mark.parametrize("action", ["title", "archive", "delete"])
def test_nobody_changes_somebody_elses_thread(visitor: Visitor, action: str) -> None:
    page = ThreadPage(visitor)
    eve = Visitor(visitor.client.application.test_client())
    eve.sign_up()
    assert eve.post(f"{page.address}/{action}", title="mine", archived="1").status_code == 404
    visitor.token = ""
    assert visitor.post(f"{page.address}/{action}", title="mine").status_code == 403
    assert page.tree().css("h1")[0].text() == "hello"


def test_a_script_gets_the_list_of_chats_alone(visitor: Visitor) -> None:
    visitor.post("/chat", content="one")
    response = visitor.client.get("/chat", headers={"HX-Request": "true"})
    assert response.text.strip().startswith('<div class="list"')
    assert "HX-Request" in response.headers["Vary"]


def test_a_script_is_led_to_the_new_thread(visitor: Visitor) -> None:
    response = visitor.post("/chat", content="one", headers={"HX-Request": "true"})
    assert response.status_code == 200
    assert visitor.get(response.headers["HX-Redirect"]).status_code == 200


def test_a_script_gets_its_refused_form_alone(visitor: Visitor) -> None:
    page = ThreadPage(visitor)
    for path in ("/chat", page.address):
        response = visitor.post(path, content="  ", headers={"HX-Request": "true"})
        assert response.status_code == 422
        tree = parsed(response)
        assert "Message:" in one(tree, "[role=alert]").text()
        assert (one(tree, "#content").text(), tree.css("hud-pane")) == ("  ", [])


def test_a_script_of_somebody_signed_out_is_told_where_to_sign_in(visitor: Visitor) -> None:
    page = ThreadPage(visitor)
    visitor.post("/signout")
    response = visitor.post(page.address, content="kept", headers={"HX-Request": "true"})
    assert response.status_code == 401
    link = one(parsed(response), "[data-problem] a")
    assert link.attributes["href"] == f"/signin?next={page.address}"


def test_where_the_scripts_from_npm_are_missing_a_page_loads_itself_again(visitor: Visitor) -> None:
    visitor.client.application.jinja_env.globals["assets"] = False
    page = ThreadPage(visitor)
    text = visitor.get(page.address).text
    assert one(page.tree(), "meta[http-equiv=refresh]").attributes["content"] == "2"
    assert "<noscript>" not in text
    for gone in ("vendor/", "thread.js", 'id="connection"', 'id="stream"'):
        assert gone not in text
    assert "vendor/" not in visitor.get("/").text


def test_a_theme_stays(visitor: Visitor) -> None:
    assert one(parsed(visitor.get("/chat")), "html").attributes["data-theme"] == "hud"
    assert visitor.post("/theme", theme="light", next="/chat?archived=1").location == "/chat?archived=1"
    for path in ("/chat", "/nowhere"):
        assert one(parsed(visitor.get(path)), "html").attributes["data-theme"] == "light"
    assert visitor.post("/theme", theme="nonsense", next="//evil.example").location == "/"
    assert one(parsed(visitor.get("/chat")), "html").attributes["data-theme"] == "light"
