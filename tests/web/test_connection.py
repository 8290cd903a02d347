"""A page and its connection: live, away, held back, blocked, and no longer signed in."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.support.stack import Stack
from tests.web.person import UNREACHED, Person

SLOW = "!delay 0.05\n!words {}"


def test_a_live_page_says_so(ada: Person) -> None:
    ada.start("hello")
    expect(ada.connection).to_have_attribute("data-state", "live")
    expect(ada.connection).to_have_text(re.compile(r"^\s*Live\s*$"), use_inner_text=True)


def test_a_network_that_was_away_for_a_moment_is_back(ada: Person) -> None:
    ada.start("first")
    expect(ada.connection).to_have_attribute("data-state", "live")
    for event, state in (("offline", "reconnecting"), ("online", "live")):
        ada.page.evaluate(f"dispatchEvent(new Event('{event}'))")  # a short one, through which the stream lives on
        expect(ada.connection).to_have_attribute("data-state", state)


def test_a_stream_that_is_asked_for_twice_is_opened_once(ada: Person) -> None:
    ada.start("first")
    ada.sees_status("completed")
    routes = ada.hold("**/sse/*")
    with ada.page.expect_request("**/sse/*"):
        ada.page.reload()
    ada.page.evaluate("htmx.trigger(document.getElementById('stream'), 'connect')")
    routes[0].continue_()
    expect(ada.connection).to_have_attribute("data-state", "live")
    ada.page.evaluate("new Promise(done => setTimeout(done))")  # what was put off would be asked for now
    assert len(routes) == 1


def test_where_streams_are_blocked_the_page_asks_again_and_again(ada: Person) -> None:
    ada.context.route("**/sse/*", lambda route: route.abort())
    ada.start(SLOW.format(40))
    expect(ada.connection).to_have_attribute("data-state", "polling", timeout=20_000)
    ada.sees_status("completed")
    expect(ada.last_text).to_contain_text("w40")
    ada.context.unroute("**/sse/*")
    expect(ada.connection).to_have_attribute("data-state", "live", timeout=20_000)
    ada.say("and live again")
    expect(ada.replies).to_have_count(2)
    ada.forgive(UNREACHED)


def test_a_stream_that_is_held_back_on_its_way_is_not_waited_for(ada: Person) -> None:
    silence = {"status": 200, "content_type": "text/event-stream", "body": ": held back\n\n"}
    ada.context.route("**/sse/*", lambda route: route.fulfill(**silence))
    ada.start(SLOW.format(40))
    expect(ada.connection).to_have_attribute("data-state", "polling", timeout=30_000)
    ada.sees_status("completed")
    ada.forgive(UNREACHED)


def test_a_connection_that_breaks_heals_in_every_tab(ada: Person, stack: Stack) -> None:
    address = ada.start(SLOW.format(100))
    other = ada.context.new_page()
    other.goto(address)
    expect(ada.last_text).to_contain_text("w5")
    stack.kill("web")
    expect(ada.connection).to_contain_text("reconnecting")
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
    ada.words.fill("half a thought")
    ada.sign_out_elsewhere()
    link = ada.connection.get_by_role("link", name="sign in")
    expect(link).to_be_visible(timeout=20_000)
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("signed out")
    expect(ada.words).to_have_value("half a thought")
    ada.sign_in_beside(link)
    expect(ada.connection).to_have_attribute("data-state", "live")
    expect(ada.words).to_have_value("half a thought")
    for replies in (1, 2):
        ada.page.get_by_role("button", name="Send").click()
        expect(ada.replies).to_have_count(replies)
    ada.forgive("status 401")


def test_somebody_who_is_still_signed_out_goes_on_being_asked(ada: Person) -> None:
    ada.start("first")
    ada.sign_out_elsewhere()
    expect(ada.connection).to_have_attribute("data-state", "signed-out", timeout=20_000)
    with ada.page.expect_response("**/sse/*") as answered:
        ada.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert answered.value.status == 401
    expect(ada.connection.get_by_role("link", name="sign in")).to_be_visible()
    ada.forgive("status 401")


def test_a_page_that_never_left_the_front_hears_of_the_new_sign_in_from_what_they_send(ada: Person) -> None:
    ada.start("first")
    ada.sees_status("completed")
    ada.sign_out_elsewhere()
    expect(ada.connection).to_have_attribute("data-state", "signed-out", timeout=20_000)
    ada.sign_in_elsewhere()
    expect(ada.connection).to_have_attribute("data-state", "signed-out")
    ada.words.fill("second")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.connection).to_have_attribute("data-state", "live")
    ada.forgive("status 401")


def test_somebody_who_signs_in_again_where_streams_are_blocked_is_told_what_is_new(ada: Person) -> None:
    ada.context.route("**/sse/*", lambda route: route.abort())
    ada.start("first")
    expect(ada.connection).to_have_attribute("data-state", "polling", timeout=20_000)
    ada.sign_out_elsewhere()
    link = ada.connection.get_by_role("link", name="sign in")
    expect(link).to_be_visible(timeout=20_000)
    ada.sign_in_beside(link)
    expect(ada.connection).to_have_attribute("data-state", "polling", timeout=20_000)
    ada.forgive(UNREACHED)
