"""A page says how things stand: its connection, what is on its way, what was not taken, and what is new."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.support.stack import Stack, until
from tests.web.conftest import MeetPerson
from tests.web.person import Person

# What a browser and htmx write to the console when a connection does not come about.
UNREACHED = "ERR_|htmx:"
SLOW = "!delay 0.05\n!words {}"


@pytest.fixture
def ada(meet: MeetPerson) -> Person:
    person = meet("ada")
    person.sign_up()
    return person


def connection(person: Person) -> Locator:
    return person.page.locator("#connection")


def words(person: Person) -> Locator:
    return person.page.get_by_label("Message", exact=True)


def held(page: Page, pattern: str) -> list[Route]:
    """Requests that are not answered until the test lets them."""
    routes: list[Route] = []
    page.route(pattern, lambda route: routes.append(route))  # noqa: PLW0108 - Playwright takes no built-in
    return routes


def test_a_live_page_says_so(ada: Person) -> None:
    ada.start("hello")
    expect(connection(ada)).to_have_attribute("data-state", "live")
    expect(connection(ada)).to_have_text(re.compile(r"^\s*Live\s*$"), use_inner_text=True)


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
    routes = held(ada.page, "**/chat/*")
    words(ada).fill("second <b>")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.locator("#messages > .sending .text")).to_have_text("second <b>")
    expect(ada.page.get_by_role("button", name="Send")).to_be_disabled()
    words(ada).press_sequentially(" and third")
    until(lambda: routes, what="the post")
    routes[0].continue_()
    ada.page.unroute("**/chat/*")
    expect(ada.replies).to_have_count(2)
    expect(ada.page.locator("#messages > .user")).to_have_count(2)
    expect(ada.page.locator("#messages > .sending")).to_have_count(0)
    expect(ada.page.get_by_role("button", name="Send")).to_be_enabled()
    assert words(ada).input_value() == "and third"


def test_an_answer_that_comes_late_takes_nothing_back(meet: MeetPerson) -> None:
    """The page was told of the second question already when it hears how things stood after the first."""
    ada = meet("ada")
    ada.allow(ada.sign_up(), "ask_user")
    ada.start('!tool ask_user {"question": "First?"}\n!step\n!wait 1\n!tool ask_user {"question": "Second?"}')
    ada.page.get_by_label("Your answer").fill("yes")
    routes = held(ada.page, "**/input")
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
    words(ada).fill("second")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("still here; try again")
    assert words(ada).input_value() == "second"
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
    words(ada).fill("second")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("still here; try again")
    assert words(ada).input_value() == "second"
    ada.forgive(rf"status of {status}")


def test_a_field_that_is_refused_is_shown(ada: Person) -> None:
    ada.start("first")
    ada.sees_status("completed")
    ada.page.get_by_text("Options", exact=True).click()
    ada.page.get_by_label("Temperature").fill("9")
    ada.page.get_by_text("Options", exact=True).click()
    words(ada).fill("second")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.get_by_label("Temperature")).to_be_visible()
    expect(ada.page.get_by_label("Temperature")).to_be_focused()


def test_a_network_that_was_away_for_a_moment_is_back(ada: Person) -> None:
    ada.start("first")
    expect(connection(ada)).to_have_attribute("data-state", "live")
    for event, state in (("offline", "reconnecting"), ("online", "live")):
        ada.page.evaluate(f"dispatchEvent(new Event('{event}'))")  # a short one, through which the stream lives on
        expect(connection(ada)).to_have_attribute("data-state", state)


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
    words(ada).fill("   ")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("Message: must not be empty")
    expect(words(ada)).to_have_value("   ")
    expect(words(ada)).to_be_focused()
    expect(ada.page.locator("#messages > .sending")).to_have_count(0)
    words(ada).fill("better")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.replies).to_have_count(2)


def test_what_is_written_survives_a_reload_and_leaves_with_whoever_wrote_it(ada: Person) -> None:
    address = ada.start("first")
    words(ada).fill("half a thought")
    ada.page.reload()
    expect(words(ada)).to_have_value("half a thought")
    ada.page.get_by_role("button", name="Sign out").click()
    ada.page.goto(address)
    ada.sign_in()
    ada.page.wait_for_url(address)
    expect(words(ada)).to_have_value("")


def test_a_stream_that_is_asked_for_twice_is_opened_once(ada: Person) -> None:
    ada.start("first")
    ada.sees_status("completed")
    routes = held(ada.page, "**/sse/*")
    with ada.page.expect_request("**/sse/*"):
        ada.page.reload()
    ada.page.evaluate("htmx.trigger(document.getElementById('stream'), 'connect')")
    routes[0].continue_()
    expect(connection(ada)).to_have_attribute("data-state", "live")
    ada.page.evaluate("new Promise(done => setTimeout(done))")  # what was put off would be asked for now
    assert len(routes) == 1


def test_where_streams_are_blocked_the_page_asks_again_and_again(ada: Person) -> None:
    ada.context.route("**/sse/*", lambda route: route.abort())
    ada.start(SLOW.format(40))
    expect(connection(ada)).to_have_attribute("data-state", "polling", timeout=20_000)
    ada.sees_status("completed")
    expect(ada.last_text).to_contain_text("w40")
    ada.context.unroute("**/sse/*")
    expect(connection(ada)).to_have_attribute("data-state", "live", timeout=20_000)
    ada.say("and live again")
    expect(ada.replies).to_have_count(2)
    ada.forgive(UNREACHED)


def test_a_stream_that_is_held_back_on_its_way_is_not_waited_for(ada: Person) -> None:
    silence = {"status": 200, "content_type": "text/event-stream", "body": ": held back\n\n"}
    ada.context.route("**/sse/*", lambda route: route.fulfill(**silence))
    ada.start(SLOW.format(40))
    expect(connection(ada)).to_have_attribute("data-state", "polling", timeout=30_000)
    ada.sees_status("completed")
    ada.forgive(UNREACHED)


def test_a_connection_that_breaks_heals_in_every_tab(ada: Person, stack: Stack) -> None:
    address = ada.start(SLOW.format(100))
    other = ada.context.new_page()
    other.goto(address)
    expect(ada.last_text).to_contain_text("w5")
    stack.kill("web")
    expect(connection(ada)).to_contain_text("reconnecting")
    stack.start_web()
    for page in (ada.page, other):
        page.bring_to_front()
        last = page.locator("#messages > .assistant")
        expect(last).to_have_attribute("data-status", "completed", timeout=20_000)
        assert last.locator(".text").inner_text() == " ".join(f"w{number}" for number in range(1, 101))
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    ada.forgive(UNREACHED)


def test_somebody_who_was_signed_out_elsewhere_is_asked_to_sign_in_and_loses_no_text(ada: Person) -> None:
    ada.start("first")
    ada.sees_status("completed")
    words(ada).fill("half a thought")
    ada.sign_out_elsewhere()
    link = connection(ada).get_by_role("link", name="sign in")
    expect(link).to_be_visible(timeout=20_000)
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("signed out")
    expect(words(ada)).to_have_value("half a thought")
    ada.sign_in_beside(link)
    expect(connection(ada)).to_have_attribute("data-state", "live")
    expect(words(ada)).to_have_value("half a thought")
    for replies in (1, 2):
        ada.page.get_by_role("button", name="Send").click()
        expect(ada.replies).to_have_count(replies)
    ada.forgive("status 401")


def test_somebody_who_is_still_signed_out_goes_on_being_asked(ada: Person) -> None:
    ada.start("first")
    ada.sign_out_elsewhere()
    expect(connection(ada)).to_have_attribute("data-state", "signed-out", timeout=20_000)
    with ada.page.expect_response("**/sse/*") as answered:
        ada.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert answered.value.status == 401
    expect(connection(ada).get_by_role("link", name="sign in")).to_be_visible()
    ada.forgive("status 401")


def test_somebody_who_signs_in_again_where_streams_are_blocked_is_told_what_is_new(ada: Person) -> None:
    ada.context.route("**/sse/*", lambda route: route.abort())
    ada.start("first")
    expect(connection(ada)).to_have_attribute("data-state", "polling", timeout=20_000)
    ada.sign_out_elsewhere()
    link = connection(ada).get_by_role("link", name="sign in")
    expect(link).to_be_visible(timeout=20_000)
    ada.sign_in_beside(link)
    expect(connection(ada)).to_have_attribute("data-state", "polling", timeout=20_000)
    ada.forgive(UNREACHED)


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
