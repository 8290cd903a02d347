"""Threads, one at a time: made, read, changed, deleted."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

from flask import Flask

from app.models import Status
from tests.api.conftest import Person, Traces, fields
from tests.support import rows

FIELDS = set(
    "id user_id title metadata settings status last_message share created_at updated_at archived_at".split()  # noqa: SIM905
)


def test_a_thread_is_made_with_201_and_its_address(ada: Person) -> None:
    made = ada.post("/api/threads", {"title": "Plans", "metadata": {"a": 1}, "settings": {"temperature": 0.5}})
    assert made.status_code == 201
    assert made.content_type == "application/json"
    assert set(made.json) == FIELDS
    assert made.headers["Location"] == f"/api/threads/{made.json['id']}"
    assert made.json == ada.get(made.headers["Location"]).json
    assert made.json | {"id": 0, "created_at": 0, "updated_at": 0} == {
        "id": 0,
        "user_id": ada.id,
        "title": "Plans",
        "metadata": {"a": 1},
        "settings": {"temperature": 0.5},
        "status": "idle",
        "last_message": None,
        "share": None,
        "created_at": 0,
        "updated_at": 0,
        "archived_at": None,
    }


def test_a_thread_shows_its_last_message_and_the_status_of_its_reply(ada: Person) -> None:
    sent = ada.say()
    shown = ada.get(f"/api/threads/{sent['thread']['id']}").json
    assert shown == sent["thread"]
    assert shown["status"] == "pending"
    assert shown["last_message"] == sent["reply"]


def test_a_change_sets_what_is_sent_and_leaves_the_rest(ada: Person) -> None:
    made = ada.post("/api/threads", {"title": "Plans", "metadata": {"a": 1}, "settings": {"model": "scripted/x"}}).json
    path = f"/api/threads/{made['id']}"
    assert ada.patch(path, {"title": "Dreams"}).json == made | {"title": "Dreams"}
    assert ada.patch(path, {"metadata": {"b": 2}}).json == made | {"title": "Dreams", "metadata": {"b": 2}}
    assert ada.patch(path, {"title": None}).json == made | {"title": None, "metadata": {"b": 2}}
    assert ada.patch(path, {}).json == ada.get(path).json == made | {"title": None, "metadata": {"b": 2}}


def test_settings_are_changed_one_by_one_and_null_takes_one_away(ada: Person) -> None:
    path = f"/api/threads/{ada.post('/api/threads', {'settings': {'model': 'scripted/x'}}).json['id']}"
    both = {"model": "scripted/x", "temperature": 1}
    assert ada.patch(path, {"settings": {"temperature": 1}}).json["settings"] == both
    assert ada.patch(path, {"settings": {"model": None}}).json["settings"] == {"temperature": 1}


def test_what_cannot_be_null_is_named(ada: Person) -> None:
    path = f"/api/threads/{ada.post('/api/threads').json['id']}"
    sent = dict.fromkeys(("metadata", "settings", "archived", "active_message_id"))
    assert fields(ada.patch(path, sent)) == set(sent)


def test_an_archived_thread_says_since_when_and_can_be_taken_back(ada: Person) -> None:
    path = f"/api/threads/{ada.post('/api/threads').json['id']}"
    assert ada.patch(path, {"archived": True}).json["archived_at"] is not None
    assert ada.patch(path, {"archived": False}).json["archived_at"] is None


def test_the_active_message_is_one_of_the_thread(ada: Person, ben: Person) -> None:
    mine, other, foreign = ada.say(), ada.say(), ben.say()
    path = f"/api/threads/{mine['thread']['id']}"
    assert ada.patch(path, {"active_message_id": mine["message"]["id"]}).json["last_message"] == mine["message"]
    for message_id in (other["reply"]["id"], foreign["reply"]["id"], str(uuid4())):
        assert fields(ada.patch(path, {"active_message_id": message_id})) == {"active_message_id"}
    assert ada.get(path).json["last_message"] == mine["message"]


def test_a_deleted_thread_is_gone_and_what_ran_in_it_is_cancelled(app: Flask, ada: Person) -> None:
    sent = ada.say()
    path = f"/api/threads/{sent['thread']['id']}"
    deleted = ada.delete(path)
    assert (deleted.status_code, deleted.data) == (204, b"")
    with app.app_context():
        assert rows.job(UUID(sent["reply"]["job_id"])).status is Status.CANCELLED
    gone = [path, f"{path}/messages", f"{path}/events", f"/api/messages/{sent['reply']['id']}"]
    assert {ada.get(each).status_code for each in gone} == {404}
    assert ada.delete(path).status_code == 404
    assert ada.post(f"{path}/messages", {"content": "more"}).status_code == 404
    assert ada.get("/api/threads").json == {"data": [], "next_cursor": None}


def test_somebody_elses_thread_is_answered_like_one_that_does_not_exist(
    ada: Person, ben: Person, traces: Callable[[], Traces]
) -> None:
    thread_id = ada.say()["thread"]["id"]
    before = traces()

    def answers(id_: str) -> list[tuple[int, str]]:
        calls = [
            ben.get(f"/api/threads/{id_}"),
            ben.get(f"/api/threads/{id_}/messages?cursor=garbage"),
            ben.get(f"/api/threads/{id_}/events?after=garbage"),
            ben.patch(f"/api/threads/{id_}", {"title": "mine now"}),
            ben.delete(f"/api/threads/{id_}"),
            ben.post(f"/api/threads/{id_}/messages", {"content": "let me in"}),
            ben.post("/api/messages", {"content": "let me in", "thread_id": id_}),
        ]
        return [(call.status_code, call.json["detail"]) for call in calls]

    assert answers(thread_id) == answers(str(uuid4())) == [(404, "There is no such thread, or it is not yours.")] * 7
    assert traces() == before
