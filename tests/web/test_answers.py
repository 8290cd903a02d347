"""Questions and approvals on a thread's page, without JavaScript."""

from __future__ import annotations

import json

import pytest

from app.database import reading
from app.models import ToolCall
from tests.chat.asked import Asked, ask
from tests.web.thread_page import ThreadPage, one, parsed
from tests.web.visitor import Visitor


@pytest.fixture
def page(visitor: Visitor) -> ThreadPage:
    return ThreadPage(visitor)


@pytest.fixture
def question(page: ThreadPage) -> Asked:
    return page.do(lambda: ask(page.sent))


@pytest.fixture
def approval(page: ThreadPage) -> Asked:
    return page.do(lambda: ask(page.sent, "approval", 2))


def call_of(page: ThreadPage, id_: object) -> ToolCall:
    with page.meanwhile(), reading() as session:
        return session.get_one(ToolCall, id_)


def test_a_question_is_answered_in_words(page: ThreadPage, question: Asked) -> None:
    asked = page.seen(question.reply_id)
    assert asked.attributes["data-status"] == "requires_action"
    assert one(asked, ".prompt").text() == "Which?"
    form = one(asked, ".action form")
    fields = {field.attributes["name"]: field.attributes["value"] for field in form.css("input[type=hidden]")}
    response = page.visitor.post(form.attributes["action"], **fields, content="the <b>left</b> one")
    assert (response.status_code, response.location) == (303, page.address)
    assert call_of(page, question.calls[0]).result == "the <b>left</b> one"
    assert page.seen(question.reply_id).css(".action form") == []


def test_a_page_that_asks_does_not_load_itself_again_under_the_answer(page: ThreadPage, question: Asked) -> None:
    page.say("queued behind it")
    assert page.tree().css("meta[http-equiv=refresh]") == []


def test_the_list_of_chats_says_who_is_asked_whatever_waits_behind_it(page: ThreadPage, question: Asked) -> None:
    page.say("queued behind it")
    tag = one(parsed(page.visitor.get("/chat")), ".threads [data-status]")
    assert (tag.text(), tag.attributes["data-status"]) == ("needs an answer", "requires_action")


def test_an_option_is_an_answer_even_with_words_beside_it(page: ThreadPage, question: Asked) -> None:
    fields = {"action_id": str(question.action_id), "option": "left", "content": ""}
    assert page.act("input", question.reply_id, **fields).status_code == 303
    assert call_of(page, question.calls[0]).result == "left"


def test_an_empty_answer_is_refused_and_the_question_stays(page: ThreadPage, question: Asked) -> None:
    response = page.act("input", question.reply_id, action_id=str(question.action_id), content="  ")
    assert response.status_code == 422
    tree = parsed(response)
    assert "Text: must not be empty" in one(tree, "[role=alert]").text()
    field = one(tree, f"#answer-{question.reply_id}")
    assert (field.attributes["aria-invalid"], field.text()) == ("true", "  ")
    assert tree.css("meta[http-equiv=refresh]") == []


def test_whoever_answers_second_is_told_and_keeps_the_text(page: ThreadPage, question: Asked) -> None:
    fields = {"action_id": str(question.action_id)}
    assert page.act("input", question.reply_id, content="first", **fields).status_code == 303
    response = page.act("input", question.reply_id, content="second </textarea><b>", **fields)
    assert response.status_code == 409
    refused = one(parsed(response), f"#message-{question.reply_id} .refusal")
    assert "not asked any more" in one(refused, "[role=alert]").text()
    assert one(refused, "textarea[readonly]").text() == "second </textarea><b>"
    assert call_of(page, question.calls[0]).result == "first"


def test_whoever_answers_too_late_is_told_so(page: ThreadPage) -> None:
    late = page.do(lambda: ask(page.sent, seconds=0.001))
    response = page.act("input", late.reply_id, action_id=str(late.action_id), content="hello?")
    assert response.status_code == 410
    tree = parsed(response)
    assert "time to answer is over" in one(tree, "[role=alert]").text()
    assert "hello?" in [field.text() for field in tree.css("textarea")]


def test_nobody_answers_for_somebody_else(page: ThreadPage, question: Asked) -> None:
    eve = Visitor(page.visitor.client.application.test_client())
    eve.sign_up()
    fields = {"message_id": str(question.reply_id), "action_id": str(question.action_id), "content": "mine"}
    refused = eve.post(f"{page.address}/input", **fields)
    assert refused.status_code == 404
    assert "mine" in refused.text
    assert call_of(page, question.calls[0]).status == "requires_action"


def test_each_call_is_shown_with_its_arguments_and_decided_on(page: ThreadPage, approval: Asked) -> None:
    asked = page.seen(approval.reply_id)
    first, second = approval.calls
    assert json.loads(one(asked, f"[name=arguments-{first}]").text()) == {"a": 1}
    fields = {"action_id": str(approval.action_id), f"decision-{first}": "approve", f"decision-{second}": "reject"}
    fields |= {f"arguments-{first}": '{"a": 1}', f"reason-{second}": "too dear", f"arguments-{second}": "broken"}
    assert page.act("input", approval.reply_id, **fields).status_code == 303
    yes, no = call_of(page, first), call_of(page, second)
    assert (yes.approved, yes.edited) == (True, None)
    assert (no.approved, no.error) == (False, "The user refused this call. too dear")


@pytest.mark.parametrize("arguments", ['{"a": 2}', '{"a": true}', '{"a": 1.0}'])
def test_arguments_are_changed_before_they_are_approved(page: ThreadPage, arguments: str) -> None:
    one_call = page.do(lambda: ask(page.sent, "approval"))
    [id_] = one_call.calls
    fields = {"action_id": str(one_call.action_id), f"decision-{id_}": "approve", f"arguments-{id_}": arguments}
    assert page.act("input", one_call.reply_id, **fields).status_code == 303
    assert call_of(page, id_).edited == arguments


@pytest.mark.parametrize(
    "arguments", ["{", "[1]", '{"a": NaN}', '{"a": 1e999}', '{"a": "\\u0000"}', "[" * 5000, "null"]
)
def test_arguments_that_are_no_json_object_come_back_to_be_corrected(page: ThreadPage, arguments: str) -> None:
    one_call = page.do(lambda: ask(page.sent, "approval"))
    [id_] = one_call.calls
    fields = {"action_id": str(one_call.action_id), f"decision-{id_}": "approve", f"arguments-{id_}": arguments}
    response = page.act("input", one_call.reply_id, **fields)
    assert response.status_code == 422
    tree = parsed(response)
    assert "Arguments of ask_user:" in one(tree, "[role=alert]").text()
    field = one(tree, f"[name=arguments-{id_}]")
    assert (field.text(), field.attributes["aria-invalid"]) == (arguments, "true")
    assert "checked" in one(tree, f"[name=decision-{id_}][value=approve]").attributes
    assert call_of(page, id_).status == "requires_action"


def test_a_call_without_a_decision_is_named_and_the_others_are_kept(page: ThreadPage, approval: Asked) -> None:
    first, second = approval.calls
    fields = {"action_id": str(approval.action_id), f"decision-{first}": "reject", f"reason-{first}": "x" * 2001}
    response = page.act("input", approval.reply_id, **fields)
    assert response.status_code == 422
    tree = parsed(response)
    assert [alert.text() for alert in tree.css("[role=alert]")] == [
        "Reason: must be at most 2000 characters, has 2001",
        "ask_user: approve or reject it.",
    ]
    assert "checked" in one(tree, f"[name=decision-{first}][value=reject]").attributes
    assert one(tree, f"[name=reason-{first}]").attributes["value"] == "x" * 2001
    assert call_of(page, second).status == "requires_action"


@pytest.mark.parametrize("action_id", ["", "nonsense", "01935a3e-0000-7000-8000-000000000000"])
def test_an_answer_to_what_was_never_asked_says_so(page: ThreadPage, question: Asked, action_id: str) -> None:
    response = page.act("input", question.reply_id, action_id=action_id, content="kept")
    assert response.status_code in {409, 422}
    assert len(parsed(response).css("[role=alert]")) == 1
    assert "kept" in response.text


def test_a_script_is_told_the_same_in_the_list(page: ThreadPage, question: Asked) -> None:
    fields = {"message_id": str(question.reply_id), "action_id": str(question.action_id), "content": " "}
    response = page.visitor.post(f"{page.address}/input", headers={"HX-Request": "true"}, **fields)
    assert response.status_code == 422
    assert response.text.strip().startswith("<ol ")
    assert "Text: must not be empty" in one(parsed(response), "[data-part=refusal] [role=alert]").text()
