"""The pages fit their window, wide and narrow, light and dark."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.web.conftest import MeetPerson
from tests.web.person import Person

_TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_UNLABELLED = """[...document.querySelectorAll("input:not([type=hidden]), textarea, select")]
    .filter((field) => !field.labels.length).length"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_no_page_is_wider_than_its_window(meet: MeetPerson, width: int, scheme: str) -> None:
    ada = meet("ada", viewport={"width": width, "height": 800}, color_scheme=scheme)
    ada.page.goto("/")
    assert ada.page.evaluate(_TOO_WIDE) == 0
    ada.sign_up()
    ada.page.wait_for_load_state()
    assert ada.page.evaluate(_TOO_WIDE) == 0
    address = ada.start("x" * 500 + "\nhttps://example.com/" + "y/" * 200)
    ada.sees_status("completed")
    for path in (address, "/", "/chat", "/chat/nowhere"):
        ada.page.goto(path)
        assert ada.page.evaluate(_TOO_WIDE) == 0, path


def test_models_that_cannot_be_used_say_what_is_missing(meet: MeetPerson) -> None:
    ada = meet("ada")
    ada.sign_up()
    ada.page.goto("/")
    option = ada.page.locator("option[value^='openai/']").first
    expect(option).to_be_disabled()
    expect(option).to_contain_text("set OPENAI_API_KEY")
    expect(ada.page.get_by_label("Model", exact=True)).to_have_value("scripted/echo")


def test_every_field_has_a_label(meet: MeetPerson) -> None:
    ada = meet("ada")
    for path in ("/signin", "/signup"):
        ada.page.goto(path)
        assert ada.page.evaluate(_UNLABELLED) == 0
    ada.sign_up()
    ada.start("hello")
    assert ada.page.evaluate(_UNLABELLED) == 0


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_tools_questions_and_forms_fit_their_window(meet: MeetPerson, width: int) -> None:
    ada = meet("ada", viewport={"width": width, "height": 800})
    ada.allow(ada.sign_up(), "calculator", "ask_user", "wait", "files__*")
    question = json.dumps({"question": "x" * 500, "options": ["y" * 200, "no"]})
    erase, sum_ = json.dumps({"path": "z" * 500}), json.dumps({"expression": f"1+{'1' * 200}"})
    tools = [f"calculator {sum_}", f"ask_user {question}", f"files__erase {erase}", 'wait {"seconds": 600}']
    ada.start("\n!step\n".join(f"!tool {tool}" for tool in tools))
    _fits(ada, "requires_action")
    ada.page.get_by_role("button", name="no", exact=True).click()
    expect(ada.page.get_by_role("radio", name="Reject")).to_be_visible()
    _fits(ada, "requires_action")
    ada.page.get_by_role("radio", name="Reject").check()
    ada.page.get_by_role("button", name="Send decision").click()
    ada.sees_status("waiting")
    _fits(ada, "waiting")


def _fits(person: Person, status: str) -> None:
    """With everything opened that can be."""
    person.sees_status(status)
    person.page.evaluate(
        "for (const each of document.querySelectorAll('details:not(.menu, .drawer)')) each.open = true"
    )
    assert person.page.evaluate(_TOO_WIDE) == 0
    assert person.page.evaluate(_UNLABELLED) == 0
