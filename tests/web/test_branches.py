"""Versions of messages on a thread's page, without JavaScript."""

from __future__ import annotations

import pytest
from selectolax.lexbor import LexborNode

from app.chat import branching, finishing
from app.chat.objects import Sent
from tests.chat.branches import begun, ending
from tests.web.thread_page import ThreadPage, one, parsed, shown
from tests.web.visitor import Visitor


@pytest.fixture
def page(visitor: Visitor) -> ThreadPage:
    """A thread whose reply has ended."""
    made = ThreadPage(visitor)
    end(made, made.sent, "first")
    return made


def end(page: ThreadPage, sent: Sent, text: str, reason: str = "stop") -> None:
    page.do(lambda: finishing.finish(begun(sent), ending(text, reason)))


def again(page: ThreadPage, text: str) -> Sent:
    """Another version of the reply."""
    sent = page.do(lambda: branching.regenerate(page.user_id, page.sent.reply.id, {}))
    end(page, sent, text)
    return sent


def switcher(node: LexborNode) -> tuple[str, list[str | None]]:
    """What it says, and the versions to which its buttons lead."""
    form = one(node, ".siblings form")
    return one(form, "span").text(), [button.attributes["value"] for button in form.css("button")]


def test_a_reply_is_written_again_beside_the_old_one(page: ThreadPage) -> None:
    assert shown(page.seen(page.sent.reply.id), ".state button") == ["Regenerate"]
    assert page.seen(page.sent.reply.id).css(".siblings form") == []
    response = page.act("regenerate", page.sent.reply.id)
    assert (response.status_code, response.location) == (303, page.address)
    reply = page.tree().css("#messages > .assistant")[0]
    assert reply.attributes["id"] != f"message-{page.sent.reply.id}"
    assert switcher(reply) == ("2 of 2", [str(page.sent.reply.id), ""])


def test_a_reply_is_written_again_by_the_model_that_is_chosen(page: ThreadPage) -> None:
    old = one(page.seen(page.sent.reply.id), ".which").text()
    for model, expected in (("scripted/other", "scripted/other"), ("", old)):
        assert page.act("regenerate", page.sent.reply.id, model=model).status_code == 303
        assert one(page.tree(), "#messages > .assistant .which").text() == expected
    refused = page.act("regenerate", page.sent.reply.id, model="nobody/nothing")
    assert refused.status_code == 422
    assert "Model:" in one(parsed(refused), f"#refusal-{page.sent.reply.id} [role=alert]").text()


def test_a_double_click_writes_one_version(page: ThreadPage) -> None:
    number = {"once": "a" * 32}
    locations = {page.act("regenerate", page.sent.reply.id, **number).location for _ in range(2)}
    assert locations == {page.address}
    assert switcher(page.tree().css("#messages > .assistant")[0])[0] == "2 of 2"


def test_the_version_that_is_chosen_is_shown_to_the_end_of_its_branch(page: ThreadPage) -> None:
    page.say("and then")
    again(page, "second")
    assert page.path() == ["hello", "second"]
    assert page.act("active", page.sent.reply.id).status_code == 303
    assert page.path() == ["hello", "first", "and then", ""]
    assert switcher(page.seen(page.sent.reply.id))[0] == "1 of 2"


def test_a_message_is_changed_in_a_branch_of_its_own(page: ThreadPage) -> None:
    message = page.seen(page.sent.message.id)
    assert one(message, "[name=content]").text() == "hello"
    response = page.act("edit", page.sent.message.id, content="good\r\nbye")
    assert (response.status_code, response.location) == (303, page.address)
    assert page.path() == ["good\nbye", ""]
    asked = page.tree().css("#messages > .user")[0]
    assert switcher(asked) == ("2 of 2", [str(page.sent.message.id), ""])
    assert page.act("active", page.sent.message.id).status_code == 303
    assert page.path() == ["hello", "first"]


@pytest.mark.parametrize("content", ["", " \n", "a\0b", "x" * 100_001])
def test_a_refused_change_comes_back_with_its_text(page: ThreadPage, content: str) -> None:
    response = page.act("edit", page.sent.message.id, content=content)
    assert response.status_code == 422
    message = one(parsed(response), f"#message-{page.sent.message.id}")
    assert "Text:" in one(message, "[role=alert]").text()
    assert "open" in one(message, "details.edit").attributes
    if "\0" not in content:  # which HTML cannot say
        assert one(message, "[name=content]").text() == content
    assert page.path() == ["hello", "first"]


@pytest.mark.parametrize("reason", ["length", "budget", "tool_limit"])
def test_a_reply_that_a_limit_has_cut_says_so_and_is_continued(visitor: Visitor, reason: str) -> None:
    page = ThreadPage(visitor)
    end(page, page.sent, "to be", reason)
    reply = page.seen(page.sent.reply.id)
    assert shown(reply, ".state strong")[0].startswith("cut")
    assert shown(reply, ".state button") == ["Continue", "Regenerate"]
    assert page.act("continue", page.sent.reply.id).status_code == 303
    assert page.path() == ["hello", "to be"]
    assert switcher(page.tree().css("#messages > .assistant")[0])[0] == "2 of 2"


def test_a_whole_reply_is_not_continued(page: ThreadPage) -> None:
    response = page.act("continue", page.sent.reply.id)
    assert response.status_code == 409
    assert "Only a reply that ended by length" in one(parsed(response), "[role=alert]").text()


def test_a_queued_message_is_changed_where_it_stands_or_taken_back(page: ThreadPage) -> None:
    running = page.say("running")
    page.do(lambda: begun(running))
    queued = page.say("queued")
    assert page.act("edit", queued.message.id, content="queued better").status_code == 303
    assert page.path() == ["hello", "first", "running", "", "queued better", ""]
    assert page.act("withdraw", queued.message.id).status_code == 303
    assert page.path() == ["hello", "first", "running", ""]
    refused = page.act("withdraw", running.message.id)
    assert refused.status_code == 409
    assert "cannot be taken back" in one(parsed(refused), f"#message-{running.message.id} [role=alert]").text()


def test_what_was_said_into_a_running_reply_is_shown_until_it_is_read(page: ThreadPage) -> None:
    running = page.say("running")
    page.do(lambda: begun(running))
    steer = page.say("in green, please", busy="steer")
    waiting = page.seen(steer.message.id)
    assert "unread" in (waiting.attributes["class"] or "")
    assert "not read yet" in waiting.text()
    assert waiting.css(".siblings form") == page.seen(running.reply.id).css(".siblings form") == []
    assert page.act("withdraw", steer.message.id).status_code == 303
    assert page.path() == ["hello", "first", "running", ""]


@pytest.mark.parametrize("action", ["regenerate", "continue", "active", "edit", "withdraw", "wake", "snooze", "cancel"])
@pytest.mark.parametrize("message_id", ["", "nonsense", "01935a3e-0000-7000-8000-000000000000"])
def test_what_is_not_there_is_not_found(page: ThreadPage, action: str, message_id: str) -> None:
    assert page.act(action, message_id, content="x", seconds="1").status_code == 404


@pytest.mark.parametrize("action", ["regenerate", "continue", "active", "edit", "withdraw", "wake", "snooze"])
def test_nobody_acts_on_somebody_elses_message(page: ThreadPage, action: str) -> None:
    eve = Visitor(page.visitor.client.application.test_client())
    eve.sign_up()
    for message in (page.sent.message, page.sent.reply):
        refused = eve.post(f"{page.address}/{action}", message_id=str(message.id), content="x", seconds="1")
        assert refused.status_code == 404
    assert page.path() == ["hello", "first"]


@pytest.mark.parametrize("action", ["regenerate", "continue", "active", "edit", "withdraw", "wake", "snooze", "input"])
def test_acting_needs_the_token(page: ThreadPage, action: str) -> None:
    page.visitor.token = ""
    refused = page.act(action, page.sent.reply.id, content="kept for you")
    assert refused.status_code == 403
    assert "kept for you" in refused.text


def test_an_older_page_has_the_versions_too(page: ThreadPage) -> None:
    again(page, "second")
    for number in range(26):
        end(page, page.say(f"message {number}"), "yes")
    older = one(page.tree(), "#before a").attributes["href"]
    assert older is not None
    reply = parsed(page.visitor.get(older)).css(".messages > .assistant")[0]
    assert switcher(reply) == ("2 of 2", [str(page.sent.reply.id), ""])


def test_a_script_gets_the_list_alone(page: ThreadPage) -> None:
    whole, alone = (page.visitor.client.get(page.address, headers=headers) for headers in ({}, {"HX-Request": "true"}))
    assert [response.headers["Vary"].count("HX-Request") for response in (whole, alone)] == [1, 1]
    assert alone.text.strip().startswith("<ol ")
    assert [node.attributes["id"] for node in parsed(alone).css("#messages > li")] == [
        f"message-{message.id}" for message in (page.sent.message, page.sent.reply)
    ]
    assert "<html" not in alone.text
