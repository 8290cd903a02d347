"""A page says how things stand: what is on its way, what was not taken, and what is new."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.stack import until
from tests.web.conftest import MeetPerson
from tests.web.person import UNREACHED, Person


def test_before_the_first_word_it_is_shown_that_something_comes(ada: Person) -> None:
    ada.start("!wait 2\nhere")
    ada.sees_status("processing")
    dots = "getComputedStyle(document.querySelector('#messages > .assistant > .text'), '::after').content"
    assert "●" in ada.page.evaluate(dots)
    ada.sees_status("completed")
    assert ada.page.evaluate(dots) == "none"


def test_what_is_sent_stands_there_at_once_and_only_once(ada: Person) -> None:
    ada.start("first")
    ada.sees_status("completed")
    routes = ada.hold("**/chat/*")
    ada.words.fill("second <b>")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.locator("#messages > .sending .text")).to_have_text("second <b>")
    expect(ada.page.get_by_role("button", name="Send")).to_be_disabled()
    ada.words.press_sequentially(" and third")
    until(lambda: routes, what="the post")
    routes[0].continue_()
    ada.page.unroute("**/chat/*")
    expect(ada.replies).to_have_count(2)
    expect(ada.page.locator("#messages > .user")).to_have_count(2)
    expect(ada.page.locator("#messages > .sending")).to_have_count(0)
    expect(ada.page.get_by_role("button", name="Send")).to_be_enabled()
    assert ada.words.input_value() == "and third"


def test_an_answer_that_comes_late_takes_nothing_back(meet: MeetPerson) -> None:
    """The page was told of the second question already when it hears how things stood after the first."""
    ada = meet("ada")
    ada.allow(ada.sign_up(), "ask_user")
    ada.start('!tool ask_user {"question": "First?"}\n!step\n!wait 1\n!tool ask_user {"question": "Second?"}')
    ada.page.get_by_label("Your answer").fill("yes")
    routes = ada.hold("**/input")
    ada.page.get_by_role("button", name="Answer").click()
    until(lambda: routes, what="the answer")
    routes[0].fetch(max_redirects=0)
    ada.sees_status("processing")
    stood = ada.page.request.get(ada.page.url, headers={"HX-Request": "true"})
    assert 'data-status="processing"' in stood.text()
    ada.sees_status("requires_action")
    routes[0].fulfill(response=stood)
    expect(ada.page.get_by_text("Second?", exact=True)).to_be_visible()
    ada.sees_status("requires_action")
    expect(ada.page.get_by_label("Your answer")).to_have_value("")


def test_a_message_that_did_not_get_through_is_not_lost(ada: Person) -> None:
    ada.start("first")
    ada.sees_status("completed")
    ada.page.route("**/chat/*", lambda route: route.abort())
    ada.words.fill("second")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("still here; try again")
    assert ada.words.input_value() == "second"
    expect(ada.page.locator("#messages > .sending")).to_have_count(0)
    ada.page.unroute("**/chat/*")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.replies).to_have_count(2)
    expect(ada.page.get_by_role("alert")).to_have_count(0)
    ada.forgive(UNREACHED)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_what_a_proxy_answers_for_the_server_is_told(ada: Person, status: int) -> None:
    ada.start("first")
    ada.sees_status("completed")
    page = {"status": status, "content_type": "text/html", "body": "<html><h1>Bad Gateway</h1></html>"}
    ada.page.route("**/chat/*", lambda route: route.fulfill(**page))
    ada.words.fill("second")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("still here; try again")
    assert ada.words.input_value() == "second"
    ada.forgive(rf"status of {status}")


def test_a_field_that_is_refused_is_shown(ada: Person) -> None:
    ada.start("first")
    ada.sees_status("completed")
    ada.page.get_by_text("Options", exact=True).click()
    ada.page.get_by_label("Temperature").fill("9")
    ada.page.get_by_text("Options", exact=True).click()
    ada.words.fill("second")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.get_by_label("Temperature")).to_be_visible()
    expect(ada.page.get_by_label("Temperature")).to_be_focused()


def test_what_a_chat_is_called_changes_in_every_tab(ada: Person) -> None:
    address = ada.start("first")
    ada.sees_status("completed")
    other = ada.context.new_page()
    other.goto(address)
    expect(other.locator("#connection")).to_have_attribute("data-state", "live")
    ada.page.locator("#thread-menu summary").click()
    ada.page.get_by_label("Title").fill("Of rivers")
    ada.page.get_by_role("button", name="Rename").click()
    expect(other.get_by_role("heading", level=1)).to_have_text("Of rivers")
    expect(other).to_have_title("Of rivers · Holdfast")
    other.close()


def test_a_refused_message_says_why_and_stays(ada: Person) -> None:
    ada.start("first")
    ada.sees_status("completed")
    ada.words.fill("   ")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("Message: must not be empty")
    expect(ada.words).to_have_value("   ")
    expect(ada.words).to_be_focused()
    expect(ada.page.locator("#messages > .sending")).to_have_count(0)
    ada.words.fill("better")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.replies).to_have_count(2)


def test_what_is_written_survives_a_reload_and_leaves_with_whoever_wrote_it(ada: Person) -> None:
    address = ada.start("first")
    ada.words.fill("half a thought")
    ada.page.reload()
    expect(ada.words).to_have_value("half a thought")
    ada.page.get_by_role("button", name="Sign out").click()
    ada.page.goto(address)
    ada.sign_in()
    ada.page.wait_for_url(address)
    expect(ada.words).to_have_value("")


def test_a_reader_who_scrolled_up_stays_there_and_is_told_what_is_new(ada: Person) -> None:
    ada.start("!words 1500")
    ada.sees_status("completed")
    scroll = ada.page.locator("#scroll")
    assert scroll.evaluate("scroll => scroll.scrollTop") == 0
    scroll.evaluate("scroll => (scroll.scrollTop = -500)")
    expect(ada.page.locator("#jump")).to_have_text("Newest")
    seen = ada.page.locator(".text").first.bounding_box()
    token = ada.page.locator("[name=csrf_token]").first.get_attribute("value") or ""
    posted = ada.page.request.post(ada.page.url, form={"csrf_token": token, "content": "!words 300"}, max_redirects=0)
    assert posted.status == 303
    expect(ada.replies).to_have_count(2)
    ada.sees_status("completed")
    expect(ada.page.locator("#jump")).to_have_text(re.compile(r"^[12] new$"))
    now = ada.page.locator(".text").first.bounding_box()
    assert seen
    assert now
    assert now["y"] == pytest.approx(seen["y"], abs=2)
    ada.page.locator("#jump").click()
    assert scroll.evaluate("scroll => scroll.scrollTop") == 0
    expect(ada.page.locator("#jump")).to_be_hidden()


def test_a_growing_reply_is_followed(ada: Person) -> None:
    ada.start("!delay 0.003\n!words 1500")
    expect(ada.last_text).to_contain_text("w1000", timeout=20_000)
    assert ada.page.locator("#scroll").evaluate("scroll => scroll.scrollTop") > -80
    ada.sees_status("completed")
    assert ada.page.locator("#scroll").evaluate("scroll => scroll.scrollTop") > -80


def test_the_list_of_chats_is_live(ada: Person) -> None:
    ada.start("!wait 3\ndone")
    mine = ada.page.locator("#chats-list li")
    expect(mine.locator(".tag")).to_be_visible()
    ada.sees_status("completed")
    expect(mine.locator(".tag")).to_have_count(0)
    expect(ada.page.locator("#chats-list li[aria-current]")).to_have_count(1)


def test_a_reply_is_copied_as_its_model_wrote_it(meet: MeetPerson) -> None:
    ada = meet("ada", permissions=["clipboard-read", "clipboard-write"])
    ada.sign_up()
    ada.start("!wait 0.1\n**bold** and `code`")
    ada.sees_status("completed")
    ada.page.get_by_role("button", name="Copy").click()
    expect(ada.page.get_by_role("button", name="Copied")).to_be_visible()
    assert ada.page.evaluate("navigator.clipboard.readText()") == "**bold** and `code`"


def test_code_is_highlighted_once_it_is_finished(ada: Person) -> None:
    ada.start("!delay 0.02\n```python\ndef f():\n    return 'x'\n```\nand so on and so on")
    ada.sees_status("completed")
    expect(ada.last_text.locator("pre .hl-k").first).to_have_text("def")
    streamed = ada.last_text.inner_html()
    ada.page.reload()
    assert ada.last_text.inner_html() == streamed


def test_what_a_reply_took_is_shown(ada: Person) -> None:
    ada.start("hello there")
    ada.sees_status("completed")
    expect(ada.replies.last.locator(".usage")).to_have_text(re.compile(r"\d+ in · \d+ out"))
