"""The panes of the display, in a real browser: by mouse, touch and keyboard, wide and narrow."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.web.conftest import MeetPerson
from tests.web.person import Person

CELL = 24


@pytest.fixture
def ada(meet: MeetPerson) -> Person:
    person = meet("ada", viewport={"width": 1400, "height": 900})
    person.sign_up()
    person.page.goto("/")
    return person


def pane(person: Person, name: str) -> Locator:
    return person.page.locator(f"#pane-{name}")


def box(person: Person, name: str) -> list[int]:
    """Left, top, width and height of a pane within the display, in cells."""
    all_, own = person.page.locator("main").bounding_box(), pane(person, name).bounding_box()
    assert all_
    assert own
    px = [own["x"] - all_["x"], own["y"] - all_["y"], own["width"], own["height"]]
    return [round(each / CELL) for each in px]


def drag(person: Person, handle: Locator, right: int, down: int) -> None:
    at = handle.bounding_box()
    assert at
    x, y = at["x"] + at["width"] / 3, at["y"] + at["height"] / 2
    person.page.mouse.move(x, y)
    person.page.mouse.down()
    person.page.mouse.move(x + right * CELL / 2, y + down * CELL / 2)
    person.page.mouse.move(x + right * CELL, y + down * CELL)
    person.page.mouse.up()


def test_a_pane_is_dragged_on_the_grid_and_found_there_again(ada: Person) -> None:
    x, y, w, h = box(ada, "user")
    others = box(ada, "chat"), box(ada, "chats")
    drag(ada, pane(ada, "user").locator(".bar"), -5, 0)
    assert box(ada, "user") == [x - 5, y, w, h]
    assert (box(ada, "chat"), box(ada, "chats")) == others
    ada.page.reload()
    assert box(ada, "user") == [x - 5, y, w, h]
    ada.page.goto("/settings")
    assert box(ada, "user") == [x - 5, y, w, h]


def test_a_pane_is_dragged_and_resized_by_touch(meet: MeetPerson) -> None:
    ada = meet("ada", viewport={"width": 1400, "height": 900}, has_touch=True)
    ada.sign_up()
    ada.page.goto("/")
    x, y, w, h = box(ada, "user")
    touch_drag(ada, pane(ada, "user").locator(".bar"), -6, 0)
    assert box(ada, "user") == [x - 6, y, w, h]
    x, y, w, h = box(ada, "chats")
    touch_drag(ada, pane(ada, "chats").locator(".grip"), 3, -4)
    assert box(ada, "chats") == [x, y, w + 3, h - 4]


@pytest.mark.parametrize(("has_touch", "size"), [(False, 16), (True, 24)])
def test_the_corner_that_resizes_has_room_for_a_finger(meet: MeetPerson, has_touch: bool, size: int) -> None:
    ada = meet("ada", viewport={"width": 1400, "height": 900}, has_touch=has_touch)
    ada.sign_up()
    ada.page.goto("/")
    at = pane(ada, "chats").locator(".grip").bounding_box()
    assert at
    assert (at["width"], at["height"]) == (size, size)


def touch_drag(person: Person, handle: Locator, right: int, down: int) -> None:
    """With one finger; what the page does not take for itself, the browser would take for scrolling, and cancel."""
    at = handle.bounding_box()
    assert at
    x, y = at["x"] + at["width"] / 3, at["y"] + at["height"] / 2
    session = person.context.new_cdp_session(person.page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in (0.25, 0.5, 0.75, 1):
        point = {"x": x + right * CELL * step, "y": y + down * CELL * step}
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()


def test_a_pane_is_resized_and_stays_large_enough_to_be_used(ada: Person) -> None:
    x, y, w, h = box(ada, "chats")
    drag(ada, pane(ada, "chats").locator(".grip"), 3, -4)
    assert box(ada, "chats") == [x, y, w + 3, h - 4]
    drag(ada, pane(ada, "chats").locator(".grip"), -50, -50)
    assert box(ada, "chats") == [x, y, 12, 8]


def test_a_pane_cannot_leave_the_display(ada: Person) -> None:
    drag(ada, pane(ada, "user").locator(".bar"), 100, 100)
    x, y, w, h = box(ada, "user")
    size = ada.page.locator("main").bounding_box()
    assert size
    assert (x + w) * CELL <= size["width"]
    assert (y + h) * CELL <= size["height"]


def test_panes_are_moved_resized_and_put_away_with_keys_and_the_focus_comes_back(ada: Person) -> None:
    x, y, w, h = box(ada, "user")
    pane(ada, "user").get_by_role("button", name="Move User").focus()
    for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowUp", "ArrowDown"):
        ada.page.keyboard.press(key)
    assert box(ada, "user") == [x - 2, y + 1, w, h - 1]
    ada.page.keyboard.press("Escape")
    expect(pane(ada, "user")).to_be_hidden()
    back = ada.page.get_by_role("navigation").get_by_role("link", name="User")
    expect(back).to_be_focused()
    ada.page.reload()
    expect(pane(ada, "user")).to_be_hidden()
    back.click()
    expect(pane(ada, "user")).to_be_visible()
    assert pane(ada, "user").evaluate("pane => pane.contains(document.activeElement)")


def test_tiling_brings_everything_back(ada: Person) -> None:
    before = [box(ada, name) for name in ("chats", "chat", "user")]
    drag(ada, pane(ada, "chat").locator(".bar"), 4, 2)
    pane(ada, "chats").get_by_role("button", name="Put Chats away").click()
    ada.page.get_by_role("button", name="Tile").click()
    assert [box(ada, name) for name in ("chats", "chat", "user")] == before
    ada.page.reload()
    assert [box(ada, name) for name in ("chats", "chat", "user")] == before


def test_the_pane_one_works_in_is_in_front(ada: Person) -> None:
    drag(ada, pane(ada, "user").locator(".bar"), -20, 0)
    expect(pane(ada, "user")).to_have_css("z-index", "1")
    ada.page.locator("#search").focus()
    expect(pane(ada, "chats")).to_have_css("z-index", "1")
    ada.page.locator("#content").focus()
    expect(pane(ada, "chat")).to_have_css("z-index", "1")
    expect(pane(ada, "user")).to_have_css("z-index", "auto")


def test_two_people_at_one_browser_have_their_own_layouts(ada: Person) -> None:
    moved = box(ada, "user")
    drag(ada, pane(ada, "user").locator(".bar"), -7, 0)
    ada.page.get_by_role("button", name="Sign out").click()
    ada.email = f"other-{ada.email}"
    ada.sign_up()
    ada.page.goto("/")
    assert box(ada, "user") == moved


@pytest.mark.parametrize("width", [390, 1023])
def test_a_narrow_window_has_one_column_and_the_panes_are_a_click_away(meet: MeetPerson, width: int) -> None:
    ada = meet("ada", viewport={"width": width, "height": 780}, has_touch=True)
    ada.sign_up()
    ada.page.goto("/")
    expect(pane(ada, "chat")).to_be_in_viewport()
    for name, title in (("chats", "Chats"), ("user", "User"), ("chat", "Chat")):
        ada.page.get_by_role("navigation").get_by_role("link", name=title, exact=True).tap()
        expect(pane(ada, name)).to_be_in_viewport(ratio=0.9)
    drag(ada, pane(ada, "chat").locator(".bar"), 5, 5)
    assert box(ada, "chat")[2] == pytest.approx(width / CELL, abs=1)


def test_a_layout_of_a_wide_window_does_not_harm_a_narrow_one(ada: Person) -> None:
    drag(ada, pane(ada, "user").locator(".bar"), -10, 0)
    ada.page.set_viewport_size({"width": 400, "height": 800})
    assert ada.page.evaluate("document.documentElement.scrollWidth") == 400
    expect(pane(ada, "chat")).to_be_in_viewport(ratio=0.9)
    ada.page.reload()
    expect(pane(ada, "chat")).to_be_in_viewport(ratio=0.9)


def test_a_layout_of_a_wide_window_is_there_again_after_a_narrow_one(ada: Person) -> None:
    drag(ada, pane(ada, "user").locator(".bar"), -10, 0)
    names = ("chat", "chats", "user")
    before = [box(ada, name) for name in names]
    for reload in (False, True):
        ada.page.set_viewport_size({"width": 500, "height": 600})
        if reload:
            ada.page.reload()
        ada.page.keyboard.press("Escape")
        pane(ada, "user").get_by_role("button", name="Put User away").click()
        ada.page.get_by_role("navigation").get_by_role("link", name="User", exact=True).click()
        ada.page.set_viewport_size({"width": 1400, "height": 900})
        assert [box(ada, name) for name in names] == before


@pytest.mark.parametrize("width", [390, 1400])
def test_keys_lead_to_what_a_pane_is_for_even_if_it_was_put_away(meet: MeetPerson, width: int) -> None:
    ada = meet("ada", viewport={"width": width, "height": 800})
    ada.sign_up()
    ada.page.goto("/")
    for key, name, label in (("/", "chats", "Search"), ("c", "chat", "Message"), ("1", "chat", "Message")):
        ada.page.evaluate(f"document.querySelector('#pane-{name}').close()")
        ada.page.locator("main").focus()
        ada.page.keyboard.press(key)
        expect(pane(ada, name)).to_be_in_viewport()
        expect(ada.page.get_by_label(label, exact=True)).to_be_focused()
    ada.page.locator("main").focus()
    ada.page.keyboard.press("3")
    assert ada.page.evaluate("document.activeElement.closest('hud-pane')?.id") == "pane-user"


def test_a_layout_of_nonsense_is_nothing(ada: Person) -> None:
    before = box(ada, "chat")
    ada.page.evaluate("localStorage.setItem('desk:' + document.body.dataset.user, '{\"chat\": 1')")
    ada.page.reload()
    assert box(ada, "chat") == before


def test_keys_do_what_is_done_often_and_are_shown(ada: Person) -> None:
    ada.start("!delay 0.05\n!words 400")
    expect(ada.last_text).to_contain_text("w3")
    ada.page.locator("#scroll").focus()
    ada.page.keyboard.press("s")
    ada.sees_status("cancelled")
    ada.page.keyboard.press("?")
    expect(ada.page.get_by_role("dialog", name="Keys")).to_be_visible()
    ada.page.keyboard.press("Escape")
    expect(ada.page.get_by_role("dialog", name="Keys")).to_be_hidden()
    ada.page.keyboard.press("/")
    expect(ada.page.get_by_label("Search", exact=True)).to_be_focused()
    ada.page.keyboard.type("n?s")
    expect(ada.page.get_by_label("Search", exact=True)).to_have_value("n?s")
    ada.page.locator("#scroll").focus()
    ada.page.keyboard.press("c")
    expect(ada.words).to_be_focused()
    ada.page.locator("#scroll").focus()
    ada.page.keyboard.press("n")
    ada.page.wait_for_url("**/chat")


def test_everything_that_matters_can_be_done_with_the_keyboard(ada: Person) -> None:
    ada.words.press_sequentially("one line")
    ada.page.keyboard.press("Shift+Enter")
    ada.page.keyboard.type("and another")
    ada.page.keyboard.press("Enter")
    ada.page.wait_for_url("**/chat/*")
    ada.sees_status("completed")
    assert ada.last_text.inner_text() == "one line\nand another"
    ada.words.press_sequentially("more")
    ada.page.keyboard.press("Enter")
    expect(ada.replies).to_have_count(2)
    expect(ada.words).to_be_focused()
    expect(ada.words).to_have_value("")
