"""What sending does, on a thread's page, without JavaScript."""

from __future__ import annotations

from uuid import UUID

import pytest

from app.chat import finishing
from app.database import reading
from app.models import Message
from tests.chat.branches import begun, ending
from tests.web.thread_page import ThreadPage, one, parsed
from tests.web.visitor import Visitor


def test_what_sending_does_is_asked_only_while_a_reply_runs(visitor: Visitor) -> None:
    page = ThreadPage(visitor)
    assert "hidden" not in one(page.tree(), "#busy-field").attributes
    assert one(page.tree(), "#busy option[selected]").attributes["value"] == "enqueue"
    page.do(lambda: finishing.finish(begun(page.sent), ending("done")))
    assert "hidden" in one(page.tree(), "#busy-field").attributes
    assert parsed(visitor.get("/chat")).css("#busy-field") == []


def test_a_message_waits_interrupts_replaces_or_steers(visitor: Visitor) -> None:
    page = ThreadPage(visitor)
    page.do(lambda: begun(page.sent))
    for busy in ("enqueue", "steer"):
        assert visitor.post(page.address, content=busy, busy=busy).status_code == 303
    assert page.path() == ["hello", "", "enqueue", ""]
    assert one(page.tree(), ".unread .text").text().strip() == "steer"
    assert visitor.post(page.address, content="interrupt", busy="interrupt").status_code == 303
    assert page.path()[-2:] == ["interrupt", ""]
    assert visitor.post(page.address, content="rollback", busy="rollback").status_code == 303
    assert page.path()[-2:] == ["rollback", ""]


def test_a_choice_that_is_none_is_refused_and_the_text_kept(visitor: Visitor) -> None:
    page = ThreadPage(visitor)
    response = visitor.post(page.address, content="kept", busy="shout")
    assert response.status_code == 422
    tree = parsed(response)
    assert "While a reply runs:" in one(tree, "[role=alert]").text()
    assert one(tree, "#content").text() == "kept"
    assert tree.css("meta[http-equiv=refresh]") == []


def test_a_goal_is_worked_toward(visitor: Visitor) -> None:
    assert one(parsed(visitor.get("/")), "[name=goal]").attributes["type"] == "checkbox"
    address = visitor.post("/chat", content="tidy up", goal="1").location
    tree = parsed(visitor.get(address))
    assert "checked" not in one(tree, "[name=goal]").attributes
    reply_id = one(tree, "#messages > .assistant").attributes["id"]
    assert reply_id is not None
    with visitor.client.application.app_context(), reading() as session:
        parameters = session.get_one(Message, UUID(reply_id.removeprefix("message-"))).parameters
    assert parameters["goal"] == {"max_steps": 20, "max_seconds": 900, "budget_cents": None}


def test_a_goal_may_take_what_is_said(visitor: Visitor) -> None:
    written = {"max_steps": "3", "max_seconds": "60.5", "budget_cents": "1.25"}
    address = visitor.post("/chat", content="tidy up", goal="1", **written).location
    reply_id = str(one(parsed(visitor.get(address)), "#messages > .assistant").attributes["id"])
    with visitor.client.application.app_context(), reading() as session:
        parameters = session.get_one(Message, UUID(reply_id.removeprefix("message-"))).parameters
    assert parameters["goal"] == {"max_steps": 3, "max_seconds": 60.5, "budget_cents": "1.25"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_steps", "0"),
        ("max_steps", "2.5"),
        ("max_seconds", "nan"),
        ("budget_cents", "-1"),
        ("budget_cents", "much"),
    ],
)
def test_a_goals_limit_that_cannot_be_is_named_and_kept(visitor: Visitor, name: str, value: str) -> None:
    response = visitor.post("/chat", content="tidy up", goal="1", **{name: value})
    assert response.status_code == 422
    tree = parsed(response)
    assert one(tree, f"#{name}").attributes["value"] == value
    assert one(tree, f"#{name}").attributes["aria-describedby"] == f"{name}-error"
    assert "open" in one(tree, "#drawer").attributes
    assert parsed(visitor.get("/chat")).css("#chats-list li") == []


def test_a_limit_without_a_goal_is_refused(visitor: Visitor) -> None:
    response = visitor.post("/chat", content="tidy up", budget_cents="5")
    assert response.status_code == 422
    assert "This is for a goal" in one(parsed(response), "#budget_cents-error").text()


def test_a_goal_cannot_be_told_to_a_running_reply(visitor: Visitor) -> None:
    page = ThreadPage(visitor)
    page.do(lambda: begun(page.sent))
    response = visitor.post(page.address, content="tidy up", goal="1", busy="steer")
    assert response.status_code == 422
    tree = parsed(response)
    assert "a reply of its own" in one(tree, "[role=alert]").text()
    assert "checked" in one(tree, "[name=goal]").attributes
    assert one(tree, "#busy option[selected]").attributes["value"] == "steer"


def test_the_same_form_with_another_choice_is_another_message(visitor: Visitor) -> None:
    page = ThreadPage(visitor)
    page.do(lambda: begun(page.sent))
    form = {"content": "same", "once": "form-1"}
    for busy in ("enqueue", "enqueue", "steer"):
        assert visitor.post(page.address, busy=busy, **form).status_code == 303
    assert page.path() == ["hello", "", "same", ""]
    assert one(page.tree(), ".unread .text").text().strip() == "same"
