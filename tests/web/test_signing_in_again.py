"""A sign-in that ends while somebody writes: they are asked for another, and nothing they wrote is lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.web.conftest import MeetPerson
from tests.web.person import Person

ASK = '!tool ask_user {"question": "Which?"}\n!step\n!results'
APPROVE = '!tool files__erase {"path": "notes.txt"}\n!step\n!results'


@pytest.fixture
def ada(meet: MeetPerson) -> Person:
    person = meet("ada")
    person.allow(person.sign_up(), "ask_user")
    return person


def question(person: Person) -> Locator:
    """The form of what the newest reply asks."""
    return person.replies.last.locator("form").filter(has=person.page.get_by_role("textbox"))


def test_a_typed_answer_outlives_the_sign_in_that_is_asked_for_beside_it(ada: Person) -> None:
    ada.start(ASK)
    ada.sees_status("requires_action")
    form = question(ada)
    form.get_by_role("textbox").fill("the left one")
    ada.context.clear_cookies()
    form.get_by_role("button").first.click()
    expect(form.get_by_role("alert")).to_contain_text("signed out")
    ada.sign_in_beside(form.get_by_role("link", name="Sign in"))
    form.get_by_role("button").first.click()
    expect(form.get_by_role("alert")).to_contain_text("send it again")
    expect(form.get_by_role("textbox")).to_have_value("the left one")
    form.get_by_role("button").first.click()
    ada.sees_status("completed")
    expect(ada.last_text).to_contain_text("the left one")
    ada.forgive("status 401")


def test_a_reason_outlives_the_sign_in_that_the_indicator_asks_for(meet: MeetPerson) -> None:
    ada = meet("ada")
    ada.allow(ada.sign_up(), "files__*")
    ada.start(APPROVE)
    ada.sees_status("requires_action")
    indicator = ada.page.locator("#connection")
    expect(indicator).to_have_attribute("data-state", "live")
    reason = ada.page.get_by_label("Reason, if you reject it")
    reason.fill("not that one")
    ada.page.get_by_role("radio", name="Reject").check()
    ada.sign_out_elsewhere()
    expect(indicator).to_have_attribute("data-state", "signed-out", timeout=20_000)
    ada.sign_in_beside(indicator.get_by_role("link", name="sign in"))
    expect(indicator).to_have_attribute("data-state", "live")
    expect(reason).to_have_value("not that one")
    decide = ada.replies.last.get_by_role("button", name="Send decision")
    decide.click()
    expect(ada.replies.last.get_by_role("alert")).to_contain_text("send it again")
    decide.click()
    ada.sees_status("completed")
    expect(ada.last_text).to_contain_text("not that one")
    ada.forgive("status 401")


@pytest.mark.parametrize("path", ["/", "/chat"])
def test_a_first_message_is_there_after_signing_in(ada: Person, path: str) -> None:
    ada.page.goto(path)
    words = ada.words
    words.fill("a first thought")
    ada.context.clear_cookies()
    ada.page.get_by_role("button", name="Send").click()
    ada.sign_in_beside(ada.page.get_by_role("alert").get_by_role("link", name="Sign in"))
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("send it again")
    expect(words).to_have_value("a first thought")
    ada.page.reload()
    expect(words).to_have_value("a first thought")
    ada.say(words.input_value())
    expect(ada.page.locator("#messages > .user .text")).to_have_text("a first thought")
