"""A thread's page, live, in a real browser."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.stack import Stack, until
from tests.web.conftest import MeetPerson
from tests.web.person import UNREACHED

SLOW = "!delay 0.05\n!words {}"


def words(count: int) -> str:
    return " ".join(f"w{number}" for number in range(1, count + 1))


def test_a_reply_grows_on_the_page_and_is_there_after_a_reload(meet: MeetPerson) -> None:
    ada = meet("ada")
    assert ada.sign_up().startswith("hf_")
    ada.page.get_by_role("link", name="Start chatting").click()
    ada.say(SLOW.format(40))
    seen: set[str] = set()
    until(lambda: seen.add(ada.last_text.inner_text()) or words(40) in seen, what="the whole reply")
    partial = [text for text in seen if text and text != words(40)]
    assert len(partial) > 5
    assert all(words(40).startswith(text) for text in partial)
    ada.sees_status("completed")
    ada.page.reload()
    assert ada.last_text.inner_text() == words(40)


def test_a_reload_in_the_middle_of_a_reply_joins_it_again(meet: MeetPerson) -> None:
    ada = meet("ada")
    ada.sign_up()
    ada.start(SLOW.format(60))
    expect(ada.last_text).to_contain_text("w10")
    ada.page.reload()
    expect(ada.last_text).to_contain_text("w20")
    ada.sees_status("completed")
    assert ada.last_text.inner_text() == words(60)


def test_two_browsers_on_one_thread_see_the_same(meet: MeetPerson) -> None:
    ada, again = meet("ada"), meet("again")
    ada.sign_up()
    address = ada.start("first")
    ada.sees_status("completed")
    again.email = ada.email
    again.page.goto(address)
    again.sign_in()
    again.page.wait_for_url(address)
    ada.say(SLOW.format(30))
    expect(again.replies).to_have_count(2)
    expect(again.last_text).to_contain_text("w5")
    for person in (ada, again):
        person.sees_status("completed")
    assert again.page.locator(".text").all_inner_texts() == ada.page.locator(".text").all_inner_texts()
    assert ada.last_text.inner_text() == words(30)


def test_stop_ends_a_running_reply_and_keeps_its_text(meet: MeetPerson) -> None:
    ada = meet("ada")
    ada.sign_up()
    ada.start(SLOW.format(400))
    expect(ada.last_text).to_contain_text("w5")
    ada.page.get_by_role("button", name="Stop").click()
    ada.sees_status("cancelled")
    expect(ada.replies.last).to_contain_text("cancelled")
    assert words(400).startswith(ada.last_text.inner_text())
    assert "w5" in ada.last_text.inner_text()


def test_a_failed_reply_says_why(meet: MeetPerson) -> None:
    ada = meet("ada")
    ada.sign_up()
    ada.start("!wait 0.5\n!error 400")
    ada.sees_status("failed")
    expect(ada.replies.last.locator(".state")).to_contain_text("refused the request (400)")


def test_a_waiting_reply_says_until_when_and_can_be_stopped(meet: MeetPerson) -> None:
    ada = meet("ada")
    ada.sign_up()
    ada.start("!error 429 retry-after=600")
    ada.sees_status("waiting")
    expect(ada.replies.last.locator(".state time")).not_to_be_empty()
    ada.page.get_by_role("button", name="Stop").click()
    ada.sees_status("cancelled")


def test_offsets_count_code_points_so_emoji_do_not_double(meet: MeetPerson) -> None:
    ada = meet("ada")
    ada.sign_up()
    family, letter = "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001d4b3\u0301"
    text = " ".join(f"{family}{letter}" for _ in range(40))
    ada.start(f"!delay 0.03\n{text}")
    expect(ada.last_text).to_contain_text(letter)
    ada.sees_status("completed")
    assert ada.last_text.inner_text() == text


def test_the_page_heals_after_the_web_process_was_killed(meet: MeetPerson, stack: Stack) -> None:
    ada = meet("ada")
    ada.sign_up()
    ada.start(SLOW.format(120))
    expect(ada.last_text).to_contain_text("w5")
    stack.kill("web")
    expect(ada.page.get_by_text("Connection lost")).to_be_visible()
    stack.start_web()
    ada.sees_status("completed")
    expect(ada.page.get_by_text("Connection lost")).to_be_hidden()
    assert ada.last_text.inner_text() == words(120)
    ada.forgive(UNREACHED)


def test_the_page_shows_each_word_once_after_a_worker_was_killed(meet: MeetPerson, stack: Stack) -> None:
    ada = meet("ada")
    ada.sign_up()
    ada.start(SLOW.format(60))
    expect(ada.last_text).to_contain_text("w20")
    stack.kill("worker")
    stack.start_worker()
    ada.sees_status("completed")
    assert ada.last_text.inner_text() == words(60)
    assert ada.replies.last.get_attribute("data-status") == "completed"


def test_blocks_join_where_they_belong_and_what_comes_too_late_changes_nothing(meet: MeetPerson) -> None:
    ada = meet("ada")
    ada.sign_up()
    ada.start("!silence")
    ada.sees_status("processing")
    shown = ada.page.evaluate(
        """async () => {
            const { grow } = await import("/static/text.js");
            const message = document.querySelector("#messages > .assistant");
            const frame = (attempt, start, done, length, finished, open) => {
                const made = document.createElement("div");
                Object.assign(made.dataset, { grown: message.id, attempt, start, done, length });
                made.innerHTML = `${finished}<div class="open">${open}</div>`;
                return [grow(made), message.querySelector(".text").textContent];
            };
            const steps = [
                frame(2, 0, 0, 3, "", "one"),
                frame(2, 0, 4, 6, "<p>one,</p>", "two"),
                frame(2, 4, 8, 11, "<p>two,</p>", "three"),
                frame(2, 4, 8, 12, "<p>two,</p>", "three!"), // the page has its finished blocks already
                frame(2, 0, 4, 6, "<p>again</p>", ""), // a reset: the text is exactly this
                frame(2, 50, 60, 70, "<p>lost</p>", ""), // blocks are missing before it
                frame(1, 4, 8, 99, "<p>old</p>", ""), // an earlier attempt
            ];
            message.dataset.status = "completed";
            return [...steps, frame(3, 0, 0, 3, "", "end")]; // after the end
        }"""
    )
    assert shown == [
        [True, "one"],
        [True, "one,two"],
        [True, "one,two,three"],
        [True, "one,two,three!"],
        [True, "again"],
        [False, "again"],
        [True, "again"],
        [True, "again"],
    ]
