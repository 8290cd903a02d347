"""Everything works as plain forms and redirects, in a browser without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.conftest import MeetPerson
from tests.web.person import Person


@pytest.fixture
def ada(meet: MeetPerson) -> Person:
    return meet("ada", java_script_enabled=False)


def test_from_sign_up_to_a_reply_that_appears_by_itself(ada: Person) -> None:
    assert ada.sign_up().startswith("hf_")
    ada.page.get_by_role("link", name="Start chatting").click()
    ada.say("!wait 1\nhello without scripts")
    ada.sees_status("completed")
    assert ada.last_text.inner_text() == "hello without scripts"
    ada.say("and again")
    expect(ada.replies).to_have_count(2)
    ada.sees_status("completed")
    ada.page.get_by_role("link", name="Chats", exact=True).click()
    expect(ada.page.locator(".threads a")).to_have_text("!wait 1")


def test_a_running_reply_is_stopped_by_a_plain_form(ada: Person) -> None:
    ada.sign_up()
    ada.start("!delay 0.05\n!words 2000")
    ada.sees_status("processing")
    ada.page.get_by_role("button", name="Stop").click()
    ada.sees_status("cancelled")
    expect(ada.replies.last).to_contain_text("cancelled")


def test_a_finished_thread_does_not_reload_itself(ada: Person) -> None:
    ada.sign_up()
    ada.start("short")
    ada.sees_status("completed")
    assert "http-equiv" not in ada.page.content()


def test_sign_out_and_in_again_comes_back_to_the_page(ada: Person) -> None:
    ada.sign_up()
    address = ada.start("remember me")
    ada.page.get_by_role("button", name="Sign out").click()
    ada.page.goto(address)
    assert "/signin?next=/chat/" in ada.page.url
    ada.sign_in()
    assert ada.page.url == address
    expect(ada.page.locator(".user .text")).to_have_text("remember me")


def test_a_refused_message_comes_back_with_its_text_and_names_the_field(ada: Person) -> None:
    ada.sign_up()
    ada.page.goto("/chat")
    ada.words.fill("  \n  ")
    ada.page.get_by_role("button", name="Send").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("Message: must not be empty")
    assert ada.words.input_value() == "  \n  "
    assert ada.page.locator(".threads").count() == 0


def test_a_question_and_an_approval_are_answered_by_plain_forms(ada: Person) -> None:
    ada.allow(ada.sign_up(), "ask_user", "wait", "files__*")
    ask, erase = '!tool ask_user {"question": "Which file?"}', '!tool files__erase {"path": "notes.txt"}'
    ada.start(f'{ask}\n!step\n{erase}\n!step\n!tool wait {{"seconds": 600}}\n!step\n!results')
    ada.sees_status("requires_action")
    ada.page.get_by_label("Your answer").fill("notes.txt")
    ada.page.get_by_role("button", name="Answer").click()
    expect(ada.page.get_by_role("group", name="files__erase")).to_be_visible()
    ada.page.get_by_label("Approve").check()
    ada.page.get_by_role("button", name="Send decision").click()
    ada.sees_status("waiting")
    expect(ada.replies.last.locator(".state time")).not_to_be_empty()
    ada.page.get_by_role("button", name="Go on now").click()
    ada.sees_status("completed")
    expect(ada.last_text).to_contain_text("erased notes.txt")
    expect(ada.replies.last.locator(".call")).to_have_count(3)


def test_versions_are_made_and_switched_by_plain_forms(ada: Person) -> None:
    ada.sign_up()
    ada.start("first")
    ada.sees_status("completed")
    ada.page.get_by_text("Edit", exact=True).click()
    ada.page.get_by_label("What you meant").fill("second")
    ada.page.get_by_role("button", name="Ask again").click()
    expect(ada.last_text).to_have_text("second")
    ada.page.get_by_role("button", name="Version before").click()
    expect(ada.last_text).to_have_text("first")
    ada.page.get_by_role("button", name="Regenerate").click()
    expect(ada.replies.last).to_contain_text("2 of 2")
