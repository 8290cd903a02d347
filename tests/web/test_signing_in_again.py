"""A sign-in that ends while somebody writes: they are asked for another, and nothing they wrote is lost."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.conftest import MeetPerson
from tests.web.person import Person

ASK = '!tool ask_user {"question": "Which?"}\n!step\n!results'


@pytest.fixture
def ada(meet: MeetPerson) -> Person:
    person = meet("ada")
    person.allow(person.sign_up(), "ask_user")
    return person


def sign_in_elsewhere(person: Person) -> None:
    other = person.context.new_page()
    other.goto("/signin")
    other.get_by_label("Email").fill(person.email)
    person.page, first = other, person.page
    person.sign_in()
    other.wait_for_url("**/")
    person.page = first
    other.close()
    first.bring_to_front()


def test_an_answer_is_sent_after_signing_in_elsewhere(ada: Person) -> None:
    ada.start(ASK)
    ada.sees_status("requires_action")
    form = ada.replies.last.locator("form").filter(has=ada.page.get_by_role("textbox"))
    form.get_by_role("textbox").fill("the left one")
    ada.context.clear_cookies()
    form.get_by_role("button").first.click()
    expect(form.get_by_role("alert")).to_contain_text("signed out")
    sign_in_elsewhere(ada)
    form.get_by_role("button").first.click()
    expect(form.get_by_role("alert")).to_contain_text("send it again")
    expect(form.get_by_role("textbox")).to_have_value("the left one")
    form.get_by_role("button").first.click()
    ada.sees_status("completed")
    expect(ada.last_text).to_contain_text("the left one")
    ada.forgive("htmx:")


def test_the_link_beside_an_answer_leads_to_the_sign_in_and_back(ada: Person) -> None:
    address = ada.start(ASK)
    ada.sees_status("requires_action")
    form = ada.replies.last.locator("form").filter(has=ada.page.get_by_role("textbox"))
    form.get_by_role("textbox").fill("the left one")
    ada.context.clear_cookies()
    form.get_by_role("button").first.click()
    form.get_by_role("link", name="Sign in").click()
    ada.page.wait_for_url(re.compile("/signin"))
    ada.sign_in()
    ada.page.wait_for_url(address)
    ada.forgive("htmx:")


@pytest.mark.parametrize("path", ["/", "/chat"])
def test_a_first_message_is_there_after_signing_in(ada: Person, path: str) -> None:
    ada.page.goto(path)
    words = ada.page.get_by_label("Message", exact=True)
    words.fill("a first thought")
    ada.context.clear_cookies()
    ada.page.get_by_role("button", name="Send").click()
    ada.page.get_by_role("alert").get_by_role("link", name="Sign in").click()
    ada.sign_in()
    ada.page.wait_for_url(re.compile(rf"{path}$"))
    expect(words).to_have_value("a first thought")
    ada.forgive("htmx:")
