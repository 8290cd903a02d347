"""Tools, waits, questions and approvals on a thread's page, live, in a real browser."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Locator, expect

from tests.web.conftest import MeetPerson
from tests.web.person import Person

NASTY = "<img src=x onerror=alert(1)>"
ASK = '!tool ask_user {"question": "Left or <b>right</b>?", "options": ["left", "right"]}\n!step\n!results'
APPROVE = '!tool files__erase {"path": "notes.txt"}\n!step\n!results'


@pytest.fixture
def ada(meet: MeetPerson) -> Person:
    """Ada, with every tool there is."""
    person = meet("ada")
    person.allow(person.sign_up(), "calculator", "clock", "wait", "ask_user", "files__*")
    return person


def cards(person: Person) -> Locator:
    return person.replies.last.locator(".call")


def button(person: Person, name: str) -> Locator:
    return person.replies.last.get_by_role("button", name=name, exact=True)


def test_calls_appear_while_they_run_and_are_the_same_after_a_reload(ada: Person) -> None:
    script = (
        f'!tool calculator {{"expression": "6 * 7"}}\n!tool files__environment {{"name": "{NASTY}"}}\n!step\n!results'
    )
    ada.start(f"{script}\n!delay 0.05\n!words 20")
    expect(cards(ada)).to_have_count(2)
    ada.sees_status("completed")
    expect(cards(ada).first.locator(".brief")).to_contain_text("42")
    assert json.loads(cards(ada).last.locator(".arguments").text_content() or "") == {"name": NASTY}
    streamed = cards(ada).all_inner_texts()
    cards(ada).first.locator("summary").click()
    expect(cards(ada).first.get_by_text('"6 * 7"')).to_be_visible()
    opened = cards(ada).first.inner_text()
    ada.page.reload()
    assert cards(ada).all_inner_texts() == streamed
    cards(ada).first.locator("summary").click()
    assert cards(ada).first.inner_text() == opened


def test_a_failed_call_says_why(ada: Person) -> None:
    ada.start('!tool files__fail {"reason": "no paper"}\n!tool nothing {}\n!step\ndone')
    ada.sees_status("completed")
    expect(cards(ada).first.locator(".brief")).to_contain_text("no paper")
    expect(cards(ada).last).to_have_attribute("data-status", "failed")
    expect(cards(ada).last).to_contain_text("There is no tool of this name")


def test_a_wait_counts_down_and_is_stretched_and_ended(ada: Person) -> None:
    ada.start('!tool wait {"seconds": 300, "reason": "tea"}\n!step\nafter tea')
    ada.sees_status("waiting")
    expect(ada.replies.last.get_by_role("timer")).to_have_text(re.compile(r"\(4:\d\d left\)"))
    ada.words.fill("not lost")
    button(ada, "Wait 10 minutes more").click()
    expect(ada.replies.last.get_by_role("timer")).to_have_text(re.compile(r"\(14:\d\d left\)"))
    button(ada, "Go on now").click()
    ada.sees_status("completed")
    assert ada.last_text.inner_text() == "after tea"
    assert ada.words.input_value() == "not lost"


def test_a_question_comes_up_and_is_answered_in_words(ada: Person) -> None:
    ada.start(ASK)
    ada.sees_status("requires_action")
    expect(ada.replies.last.locator(".prompt")).to_have_text("Left or <b>right</b>?")
    expect(cards(ada).locator(".called")).to_have_text("needs an answer")
    ada.page.get_by_label("Your answer").fill("straight on")
    button(ada, "Answer").click()
    ada.sees_status("completed")
    assert ada.last_text.inner_text() == "straight on"
    expect(ada.replies.last.locator(".action")).to_be_hidden()


def test_an_option_is_one_click(ada: Person) -> None:
    ada.start(ASK)
    button(ada, "right").click()
    ada.sees_status("completed")
    assert ada.last_text.inner_text() == "right"


def test_of_two_browsers_the_second_to_answer_keeps_its_words(meet: MeetPerson, ada: Person) -> None:
    again = meet("again")
    address = ada.start(ASK)
    ada.sees_status("requires_action")
    again.email = ada.email
    again.page.goto(address)
    again.sign_in()
    again.page.get_by_label("Your answer").fill("my long answer")
    button(ada, "left").click()
    again.sees_status("completed")
    button(again, "Answer").click()
    expect(again.page.get_by_role("alert")).to_contain_text("not asked any more")
    expect(again.page.get_by_label("What you wrote, to copy")).to_have_value("my long answer")
    assert again.last_text.inner_text() == "left"


def test_a_call_is_approved_with_other_arguments(ada: Person) -> None:
    ada.start(APPROVE)
    ada.sees_status("requires_action")
    expect(cards(ada).locator(".called")).to_have_text("needs an answer")
    decision = ada.page.get_by_role("group", name="files__erase")
    decision.get_by_label("Arguments").fill('{"path": ')
    decision.get_by_label("Approve").check()
    button(ada, "Send decision").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("this is not JSON")
    decision.get_by_label("Arguments").fill('{"path": "old.txt"}')
    button(ada, "Send decision").click()
    ada.sees_status("completed")
    assert ada.last_text.inner_text() == "erased old.txt"
    expect(cards(ada).locator(".arguments")).to_contain_text("old.txt")


def test_a_call_is_refused_with_a_reason(ada: Person) -> None:
    ada.start(APPROVE)
    decision = ada.page.get_by_role("group", name="files__erase")
    decision.get_by_role("radio", name="Reject").check()
    decision.get_by_label("Reason").fill("still needed")
    button(ada, "Send decision").click()
    ada.sees_status("completed")
    assert ada.last_text.inner_text() == "The user refused this call. still needed"
    expect(cards(ada)).to_have_attribute("data-status", "failed")


def test_a_reload_in_the_middle_of_a_question_asks_it_again(ada: Person) -> None:
    ada.start(ASK)
    ada.sees_status("requires_action")
    ada.page.reload()
    button(ada, "left").click()
    ada.sees_status("completed")


def test_a_goal_shows_its_plan(ada: Person) -> None:
    plan = {"steps": [{"title": "look", "state": "done"}, {"title": NASTY, "state": "active"}]}
    finish = {"answer": "There."}
    script = f"!tool plan {json.dumps(plan)}\n!step\n!wait 1\n!tool finish {json.dumps(finish)}"
    ada.page.goto("/")
    ada.page.locator("#drawer > summary").click()
    ada.page.get_by_label("Work toward a goal").check()
    ada.say(script)
    expect(ada.replies.last.locator(".plan li")).to_have_text(["look", NASTY])
    ada.sees_status("completed")
    assert ada.last_text.inner_text() == "There."
    ada.page.reload()
    expect(ada.replies.last.locator(".plan li")).to_have_text(["look", NASTY])
