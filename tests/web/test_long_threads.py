"""Two hundred messages, and a thousand frames: a page stays fast and small."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.conftest import MeetPerson
from tests.web.person import Person

MESSAGES = 200
FIRST_PAINT_MS = 1_000
FRAME_MS = 50
FRAMES = 1_000
LEFT_BYTES = 100  # a frame that stayed would leave its text and elements: five times as much


@pytest.fixture
def ada(meet: MeetPerson) -> Person:
    person = meet("ada")
    key = person.sign_up()
    person.start("message 0\n\n- with\n- a list\n\n```python\nx = 1\n```")
    headers, address = {"Authorization": f"Bearer {key}"}, person.page.url.replace("/chat/", "/api/threads/")
    for number in range(1, MESSAGES // 2):
        data = {"content": f"message {number}\n\n- with\n- a list\n\n```python\nx = {number}\n```"}
        assert person.page.request.post(f"{address}/messages", data=data, headers=headers).ok
    person.page.goto(person.page.url)
    person.sees_status("completed")
    return person


def test_a_long_thread_is_shown_at_once_and_goes_on_upward(ada: Person) -> None:
    ada.page.reload()
    painted = ada.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert painted < FIRST_PAINT_MS
    expect(ada.page.locator("#messages > li")).to_have_count(50)
    scroll = ada.page.locator("#scroll")
    for count in (100, 150, 200):
        seen = ada.page.locator("#messages > li").first
        id_ = seen.get_attribute("id")
        scroll.evaluate("scroll => (scroll.scrollTop = -scroll.scrollHeight)")
        expect(ada.page.locator("#messages > li")).to_have_count(count)
        expect(ada.page.locator(f"#{id_}")).to_be_in_viewport()
    expect(ada.page.locator("#before")).to_have_count(0)
    expect(ada.page.locator("#messages > li").first).to_contain_text("message 0")
    ids = ada.page.locator("#messages > li").evaluate_all("items => items.map((item) => item.id)")
    assert ids == sorted(set(ids))
    ada.say("after all that")
    expect(ada.page.locator("#messages > li")).to_have_count(MESSAGES + 2)


def test_frames_are_taken_over_quickly_and_leave_nothing_behind(ada: Person) -> None:
    ada.start("!silence")
    ada.sees_status("processing")
    frames(ada, 2 * FRAMES)  # the first ones compile what takes them over
    heap = heap_bytes(ada)
    took, before, after = frames(ada, FRAMES)
    assert took < FRAME_MS
    assert after == before
    assert heap_bytes(ada) < heap + FRAMES * LEFT_BYTES


def heap_bytes(person: Person) -> int:
    """What the page's scripts hold once garbage is collected."""
    session = person.context.new_cdp_session(person.page)
    session.send("HeapProfiler.collectGarbage")
    used: int = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return used


def frames(person: Person, count: int) -> tuple[float, int, int]:
    """Milliseconds that one of twenty frames takes longer than; elements of the page before and after all of them."""
    took, before, after = person.page.evaluate(
        """async (count) => {
            const stream = document.getElementById("stream");
            const id = document.querySelector("#messages > .assistant:last-child").id;
            const words = "word ".repeat(20);
            const swap = (number) => htmx.swap({
                text: `<div data-grown="${id}" data-attempt="1" data-start="0" data-done="0" data-length="${number}">
                    <div class="open"><p>${words}${number}</p></div></div>`,
                sourceElement: stream, target: "#messages", swap: "parts",
            });
            const nodes = () => document.querySelectorAll("*").length;
            await swap(0);
            const [elements, took] = [nodes(), []];
            for (let number = 1; number <= count; number += 1) {
                const began = performance.now();
                await swap(number);
                took.push(performance.now() - began);
            }
            return [took.sort((a, b) => a - b)[Math.floor(count * 0.95)], elements, nodes()];
        }""",
        count,
    )
    return took, before, after
