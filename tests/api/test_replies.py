"""What may be done to a reply: regenerate, continue, edit, take back, wake, snooze, answer, and read its receipt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from app.database import transaction
from app.jobs import lifecycle
from app.models import Job, Message, Status
from tests.api.conftest import MakeApp, Person, Traces, fields, sign_up
from tests.support import rows

HOUR = 3600


def paths(person: Person, thread_id: str, **query: Any) -> list[str]:
    """The ids of the thread's messages, oldest first."""
    answer = person.get(f"/api/threads/{thread_id}/messages", query_string=query)
    return [message["id"] for message in answer.json["data"]]


def code(answer: TestResponse) -> tuple[int, str]:
    assert answer.content_type == "application/problem+json"
    return answer.status_code, answer.json["code"]


@pytest.fixture
def end(app: Flask) -> Callable[..., None]:
    """Ends a reply as its worker would, for a reason."""

    def end(sent: dict[str, Any], reason: str, text: str = "so far") -> None:
        job_id = UUID(sent["reply"]["job_id"])
        with app.app_context():
            lease_id = rows.a_lease()
            with transaction() as session:
                claim = lifecycle.claim(session, job_id, lease_id, 600, 3)
                assert claim is not None
                assert lifecycle.finish(session, claim, Status.COMPLETED)
                ended = update(Message).where(Message.job_id == job_id)
                session.execute(ended.values(content=text, finish_reason=reason))

    return end


@pytest.fixture
def ask(app: Flask) -> Callable[..., str]:
    """Lets a reply ask a person, as its worker would; returns the action's id."""

    def ask(sent: dict[str, Any]) -> str:
        job_id, action_id = UUID(sent["reply"]["job_id"]), uuid4()
        shown = {"id": str(action_id), "type": "input", "prompt": "Which?", "expires_at": "2100-01-01T00:00:00Z"}
        with app.app_context():
            lease_id = rows.a_lease()
            with transaction() as session:
                claim = lifecycle.claim(session, job_id, lease_id, 600, 3)
                assert claim is not None
                assert lifecycle.ask(session, claim, action_id, 600, 600)
                session.execute(update(Message).where(Message.job_id == job_id).values(required_action=shown))
        return str(action_id)

    return ask


def test_a_reply_is_regenerated_with_and_without_a_body(ada: Person) -> None:
    sent = ada.say(temperature=0.5)
    path = f"/api/messages/{sent['reply']['id']}/regenerate"
    for asked in ({"json": {"model": "scripted/other", "tools": ["clock"]}}, {"json": {}}, {}):
        answer = ada.call("POST", path, **asked)
        assert answer.status_code == 202
        assert set(answer.json) == {"thread", "message", "reply"}
        assert answer.headers["Location"] == f"/api/messages/{answer.json['reply']['id']}"
        assert answer.json["message"] == sent["message"]
        assert paths(ada, sent["thread"]["id"]) == [sent["message"]["id"], answer.json["reply"]["id"]]
        assert ada.get(answer.headers["Location"]).json == answer.json["reply"]
    assert len(paths(ada, sent["thread"]["id"], all="true")) == 5


def test_what_is_wrong_with_a_regeneration_is_named(ada: Person, traces: Callable[[], Traces]) -> None:
    sent = ada.say()
    path = f"/api/messages/{sent['reply']['id']}/regenerate"
    before = traces()
    assert fields(ada.post(path, {"model": "nobody/x"})) == {"model"}
    assert fields(ada.post(path, {"content": "x", "temperature": 3})) == {"content", "temperature"}
    assert fields(ada.post(f"/api/messages/{sent['message']['id']}/regenerate")) == {"message_id"}
    assert code(ada.call("POST", path, data=b"{", content_type="application/json")) == (400, "malformed_json")
    assert fields(ada.call("POST", path, data=b"null", content_type="application/json")) == {"body"}
    assert traces() == before


def test_only_a_reply_that_was_cut_is_continued(ada: Person, end: Callable[..., None]) -> None:
    whole, cut = ada.say(), ada.say()
    end(whole, "stop")
    end(cut, "length")
    for message_id in (whole["reply"]["id"], whole["message"]["id"], cut["message"]["id"]):
        assert code(ada.post(f"/api/messages/{message_id}/continue")) == (409, "not_continuable")
    answer = ada.call("POST", f"/api/messages/{cut['reply']['id']}/continue")
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/messages/{answer.json['reply']['id']}"
    assert (answer.json["reply"]["content"], answer.json["reply"]["status"]) == ("so far", "pending")


def test_a_users_message_is_edited_beside_or_where_it_stands(ada: Person, end: Callable[..., None]) -> None:
    first = ada.say("first")
    end(first, "stop")
    queued = ada.say("second", thread_id=first["thread"]["id"])
    changed = ada.patch(f"/api/messages/{queued['message']['id']}", {"content": "changed\r\nhere"})
    assert changed.status_code == 202
    assert changed.json["message"]["id"] == queued["message"]["id"]
    assert changed.json["message"]["content"] == "changed\nhere"
    assert changed.headers["Location"] == f"/api/messages/{queued['reply']['id']}"
    beside = ada.patch(f"/api/messages/{first['message']['id']}", {"content": "other"})
    assert beside.status_code == 202
    assert paths(ada, first["thread"]["id"]) == [beside.json["message"]["id"], beside.json["reply"]["id"]]
    assert ada.get(f"/api/messages/{first['message']['id']}").json["content"] == "first"


def test_what_is_wrong_with_an_edit_is_named(make_app: MakeApp) -> None:
    ada = sign_up(make_app(max_content_chars=10), "ada@example.com")
    sent = ada.say("hello")
    path = f"/api/messages/{sent['message']['id']}"
    for content in (None, 1, "", " \n", "x" * 11, "a\0b", ["x"]):
        assert fields(ada.patch(path, {"content": content})) == {"content"}, content
    assert fields(ada.patch(path, {})) == {"content"}
    assert fields(ada.patch(path, {"content": "x", "model": "scripted/echo"})) == {"model"}
    assert fields(ada.patch(f"/api/messages/{sent['reply']['id']}", {"content": "x"})) == {"message_id"}
    assert ada.get(path).json == sent["message"]


def test_a_message_is_taken_back_until_it_has_begun(ada: Person, end: Callable[..., None]) -> None:
    first, second = ada.say(), ada.say()
    gone = ada.delete(f"/api/messages/{first['message']['id']}")
    assert (gone.status_code, gone.data) == (204, b"")
    for part in ("message", "reply"):
        assert ada.delete(f"/api/messages/{first[part]['id']}").status_code == 404
        assert ada.get(f"/api/messages/{first[part]['id']}").status_code == 404
    assert paths(ada, first["thread"]["id"]) == []
    end(second, "stop")
    assert code(ada.delete(f"/api/messages/{second['reply']['id']}")) == (409, "already_started")


def test_a_reply_for_later_is_shown_snoozed_and_woken(ada: Person) -> None:
    later = ada.say(after_seconds=HOUR)["reply"]
    path = f"/api/messages/{later['id']}"
    assert later["status"] == "waiting"
    snoozed = ada.post(f"{path}/snooze", {"seconds": 60})
    assert snoozed.status_code == 200
    assert snoozed.json["wake_at"] > later["wake_at"]
    assert snoozed.json == ada.get(path).json
    woken, again = ada.call("POST", f"{path}/wake"), ada.call("POST", f"{path}/wake")
    assert (woken.status_code, again.status_code) == (202, 200)
    assert woken.json == again.json == ada.get(path).json
    assert (woken.json["status"], woken.json["wake_at"]) == ("pending", None)
    assert code(ada.post(f"{path}/snooze", {"seconds": 60})) == (409, "not_waiting")
    ada.post(f"{path}/cancel")
    assert code(ada.post(f"{path}/wake")) == (409, "not_waiting")


def test_seconds_that_are_none_are_refused(ada: Person) -> None:
    path = f"/api/messages/{ada.say(after_seconds=HOUR)['reply']['id']}"
    before = ada.get(path).json
    for seconds in (None, "5", True, [], 0, -1, -(10**30)):
        assert fields(ada.post(f"{path}/snooze", {"seconds": seconds})) == {"seconds"}, seconds
    assert fields(ada.post(f"{path}/snooze", {})) == {"seconds"}
    assert ada.get(path).json == before
    assert ada.post(f"{path}/snooze", {"seconds": 10**300}).status_code == 200


def test_a_question_is_answered_once(ada: Person, ask: Callable[..., str]) -> None:
    sent = ada.say()
    path, action_id = f"/api/messages/{sent['reply']['id']}", ask(sent)
    assert ada.get(path).json["required_action"]["prompt"] == "Which?"
    assert code(ada.post(f"{path}/input", {"action_id": str(uuid4()), "content": "x"})) == (409, "action_resolved")
    assert fields(ada.post(f"{path}/input", {"action_id": action_id})) == {"content"}
    assert fields(ada.post(f"{path}/input", {"action_id": action_id, "decisions": []})) == {"content"}
    answered = ada.post(f"{path}/input", {"action_id": action_id, "content": "the blue one"})
    assert (answered.status_code, answered.json) == (202, ada.get(path).json)
    assert (answered.json["status"], answered.json["required_action"]) == ("pending", None)
    assert code(ada.post(f"{path}/input", {"action_id": action_id, "content": "x"})) == (409, "action_resolved")


def test_an_answer_after_its_time_is_410(app: Flask, ada: Person, ask: Callable[..., str]) -> None:
    sent = ada.say()
    action_id = ask(sent)
    with app.app_context(), transaction() as session:
        session.execute(update(Job).values(action_expires_at=Job.created_at))
    answer = ada.post(f"/api/messages/{sent['reply']['id']}/input", {"action_id": action_id, "content": "x"})
    assert code(answer) == (410, "gone")
    assert ada.get(f"/api/messages/{sent['reply']['id']}").json["status"] == "requires_action"


def test_what_is_wrong_with_an_answer_is_named(ada: Person, ask: Callable[..., str]) -> None:
    sent = ada.say()
    path, action_id = f"/api/messages/{sent['reply']['id']}/input", ask(sent)
    good = {"id": str(uuid4()), "approve": True}
    wrong: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {"action_id"}),
        ({"action_id": "x", "content": ""}, {"action_id", "content"}),
        ({"action_id": action_id, "content": "a\0"}, {"content"}),
        ({"action_id": action_id, "content": "x" * 100_001}, {"content"}),
        ({"action_id": action_id, "surprise": 1}, {"surprise"}),
        ({"action_id": action_id, "decisions": "x"}, {"decisions"}),
        ({"action_id": action_id, "decisions": [good] * 201}, {"decisions"}),
        ({"action_id": action_id, "decisions": [{}]}, {"decisions.0.id", "decisions.0.approve"}),
        ({"action_id": action_id, "decisions": [good | {"approve": "yes"}]}, {"decisions.0.approve"}),
        ({"action_id": action_id, "decisions": [good | {"arguments": [1]}]}, {"decisions.0.arguments"}),
        ({"action_id": action_id, "decisions": [good | {"arguments": {"a": "\0"}}]}, {"decisions.0.arguments"}),
        ({"action_id": action_id, "decisions": [good | {"reason": "x" * 2_001}]}, {"decisions.0.reason"}),
    ]
    for body, named in wrong:
        assert fields(ada.post(path, body)) == named, body
    assert ada.get(f"/api/messages/{sent['reply']['id']}").json["status"] == "requires_action"


def test_a_receipt_lists_what_a_reply_took(ada: Person, end: Callable[..., None]) -> None:
    sent = ada.say()
    end(sent, "stop")
    receipt = ada.get(f"/api/messages/{sent['reply']['id']}/receipt").json
    members = "message_id model_id status finish_reason price_version cost_in_cents hold settlement attempts steps"
    assert set(receipt) == set(members.split())
    assert receipt["message_id"] == sent["reply"]["id"]
    assert [(one["number"], one["outcome"]) for one in receipt["attempts"]] == [(1, "completed")]
    assert set(receipt["attempts"][0]) == {"number", "started_at", "ended_at", "outcome"}


def test_somebody_elses_message_is_answered_like_one_that_does_not_exist(ada: Person, ben: Person) -> None:
    def answers(id_: str) -> set[tuple[int, str]]:
        path = f"/api/messages/{id_}"
        calls = [
            ben.post(f"{path}/regenerate"),
            ben.post(f"{path}/regenerate", {"model": "nobody/x"}),
            ben.post(f"{path}/continue"),
            ben.patch(path, {"content": "x"}),
            ben.delete(path),
            ben.post(f"{path}/wake"),
            ben.post(f"{path}/snooze", {"seconds": 1}),
            ben.post(f"{path}/input", {"action_id": str(uuid4()), "content": "x"}),
            ben.get(f"{path}/receipt"),
        ]
        return {(call.status_code, call.json["detail"]) for call in calls}

    sent = ada.say()
    for id_ in (sent["reply"]["id"], sent["message"]["id"], str(uuid4())):
        assert answers(id_) == {(404, "There is no such message, or it is not yours.")}
    assert paths(ada, sent["thread"]["id"]) == [sent["message"]["id"], sent["reply"]["id"]]
