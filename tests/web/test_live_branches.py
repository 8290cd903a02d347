"""What a person may do to messages on a thread's page, live, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.web.conftest import MeetPerson
from tests.web.person import Person

SLOW = "!delay 0.05\n!words 400"


@pytest.fixture
def watcher(meet: MeetPerson, ada: Person) -> Person:
    """The same account in another browser."""
    person = meet("watcher")
    person.email = ada.email
    return person


def watch(watcher: Person, address: str) -> None:
    watcher.page.goto(address)
    watcher.sign_in()
    watcher.page.wait_for_url(address)


def texts(person: Person) -> Locator:
    return person.page.locator("#messages > .message > .text")


def change(person: Person, text: str) -> None:
    person.page.get_by_text("Edit", exact=True).click()
    person.page.get_by_label("What you meant").fill(text)
    person.page.get_by_role("button", name="Ask again").click()


def arrow(person: Person, way: str) -> Locator:
    return person.page.get_by_role("button", name=f"Version {way}")


def test_a_reply_is_written_again_and_the_old_one_is_a_click_away(ada: Person, watcher: Person) -> None:
    watch(watcher, ada.start("!wait 0.2\nsame words"))
    ada.sees_status("completed")
    first = ada.replies.last.get_attribute("id")
    ada.words.fill("not lost")
    ada.page.get_by_role("button", name="Regenerate").click()
    for person in (ada, watcher):
        expect(person.page.get_by_text("2 of 2")).to_be_visible()
        expect(person.replies).to_have_count(1)
        expect(person.replies.last).not_to_have_attribute("id", first or "")
        person.sees_status("completed")
        assert person.last_text.inner_text() == "same words"
    ada.page.get_by_role("button", name="Version before").click()
    for person in (ada, watcher):
        expect(person.page.get_by_text("1 of 2")).to_be_visible()
        expect(person.replies.last).to_have_attribute("id", first or "")
    assert ada.words.input_value() == "not lost"


def test_a_reply_that_failed_is_written_again_by_the_model_that_is_chosen_now(ada: Person) -> None:
    ada.start("!error 400")
    ada.sees_status("failed")
    ada.page.evaluate("document.getElementById('model').add(new Option('Another', 'scripted/other'))")
    ada.page.get_by_label("Model", exact=True).select_option("scripted/other")
    ada.page.get_by_role("button", name="Regenerate").click()
    expect(ada.page.get_by_text("2 of 2")).to_be_visible()
    expect(ada.replies.last.locator(".which")).to_have_text("scripted/other")


def test_a_change_that_was_begun_comes_back_with_its_message(ada: Person, watcher: Person) -> None:
    watch(watcher, ada.start("one"))
    ada.sees_status("completed")
    change(ada, "two")
    expect(texts(watcher)).to_have_text(["two", "two"])
    watcher.page.get_by_text("Edit", exact=True).click()
    watcher.page.get_by_label("What you meant").fill("half a thou")
    arrow(ada, "before").click()
    expect(texts(watcher)).to_have_text(["one", "one"])
    expect(watcher.page.get_by_label("What you meant")).to_be_hidden()
    arrow(ada, "after").click()
    expect(texts(watcher)).to_have_text(["two", "two"])
    expect(watcher.page.get_by_label("What you meant")).to_have_value("half a thou")
    watcher.page.get_by_role("button", name="Ask again").click()
    expect(texts(watcher)).to_have_text(["half a thou", "half a thou"])
    arrow(watcher, "before").click()
    expect(texts(watcher)).to_have_text(["two", "two"])
    expect(watcher.page.get_by_label("What you meant")).to_be_hidden()
    watcher.page.get_by_text("Edit", exact=True).click()
    expect(watcher.page.get_by_label("What you meant")).to_have_value("two")  # what was sent is typed no more


def test_the_arrows_of_a_message_keep_the_focus(ada: Person) -> None:
    ada.start("one")
    ada.sees_status("completed")
    for number, text in enumerate(("two", "three"), start=2):
        change(ada, text)
        expect(ada.page.get_by_text(f"{number} of {number}")).to_be_visible()
    for way, number, focused in (("before", 2, "before"), ("before", 1, "after"), ("after", 2, "after")):
        arrow(ada, way).focus()
        ada.page.keyboard.press("Enter")
        expect(ada.page.get_by_text(f"{number} of 3")).to_be_visible()
        expect(arrow(ada, focused)).to_be_focused()


def test_a_message_is_changed_and_answered_anew(ada: Person, watcher: Person) -> None:
    watch(watcher, ada.start("before"))
    ada.sees_status("completed")
    change(ada, "after")
    for person in (ada, watcher):
        expect(texts(person)).to_have_text(["after", "after"])
    expect(ada.page.get_by_text("2 of 2")).to_be_visible()


def test_a_refused_change_says_why_and_keeps_the_words(ada: Person) -> None:
    ada.start("before")
    ada.sees_status("completed")
    change(ada, "   ")
    expect(ada.page.get_by_role("alert")).to_contain_text("Text: must not be empty")
    expect(ada.page.get_by_label("What you meant")).to_have_value("   ")
    expect(ada.page.get_by_label("What you meant")).to_be_focused()


def test_a_cut_reply_is_continued(ada: Person) -> None:
    ada.start("to be\n!finish length")
    ada.sees_status("completed")
    expect(ada.replies.last).to_contain_text("cut at its greatest length")
    ada.page.get_by_role("button", name="Continue").click()
    expect(ada.page.get_by_text("2 of 2")).to_be_visible()
    ada.sees_status("completed")
    expect(ada.last_text).to_contain_text("to be")


def test_a_queue_is_shown_changed_and_shortened(ada: Person, watcher: Person) -> None:
    watch(watcher, ada.start(SLOW))
    expect(ada.page.get_by_label("While a reply runs")).to_be_visible()
    for text in ("second", "third"):
        ada.say(text)
    for person in (ada, watcher):
        expect(person.replies).to_have_count(3)
        expect(person.replies.nth(2)).to_contain_text("2 before it")
    second = ada.page.locator("#messages > .user").nth(1)
    second.get_by_text("Edit", exact=True).click()
    second.get_by_label("What you meant").fill("second, better")
    second.get_by_role("button", name="Ask again").click()
    expect(second.locator(".text")).to_have_text("second, better")
    ada.page.locator("#messages > .user").nth(1).get_by_role("button", name="Take back").click()
    for person in (ada, watcher):
        expect(person.page.locator("#messages > .user .text")).to_have_text([SLOW, "third"])
        expect(person.replies.last).to_contain_text("1 before it")
    expect(ada.page.locator("#messages > .user").first.get_by_role("button", name="Take back")).to_be_hidden()
    ada.replies.first.get_by_role("button", name="Stop").click()
    for person in (ada, watcher):
        expect(person.last_text).to_have_text("third")
        person.sees_status("completed")
        expect(person.page.get_by_label("While a reply runs")).to_be_hidden()


@pytest.mark.parametrize(("busy", "left"), [("interrupt", 2), ("rollback", 1)])
def test_a_message_takes_the_place_of_what_runs(ada: Person, watcher: Person, busy: str, left: int) -> None:
    watch(watcher, ada.start(SLOW))
    expect(watcher.last_text).to_contain_text("w3")
    ada.page.get_by_label("While a reply runs").select_option(busy)
    ada.say("instead")
    for person in (ada, watcher):
        expect(person.replies).to_have_count(left)
        expect(person.last_text).to_have_text("instead")
        person.sees_status("completed")


def test_a_message_is_told_to_the_running_reply(ada: Person, watcher: Person) -> None:
    watch(watcher, ada.start("!tool clock {}\n!step\n!delay 0.05\n!words 200\n!tool clock {}\n!step\n!heard"))
    expect(watcher.last_text).to_contain_text("w3")
    ada.page.get_by_label("While a reply runs").select_option("steer")
    ada.say("hear me")
    for person in (ada, watcher):
        expect(person.page.get_by_text("not read yet")).to_be_visible()
    for person in (ada, watcher):
        person.sees_status("completed")
        expect(person.last_text).to_contain_text("hear me")
        expect(person.page.get_by_text("not read yet")).to_have_count(0)
        expect(person.page.locator("#messages > .user")).to_have_count(2)
        expect(person.replies).to_have_count(1)
