"""Messages: posted, read, polled, listed, cancelled."""

from __future__ import annotations

import threading
import time
from typing import Any
from uuid import uuid4

from tests.api.conftest import Person, fields

FIELDS = set(
    """id thread_id user_id parent_id role content metadata pinned attachments status job_id model_id tool_invocations
    finish_reason prompt_tokens completion_tokens total_tokens cached_tokens reasoning_tokens cost_in_cents
    usage_estimated attempt wake_at deadline_at required_action error queue_position created_at updated_at
    completed_at""".split()  # noqa: SIM905
)


def listed(person: Person, thread_id: str, **query: Any) -> list[list[str]]:
    """The contents of each page, from the first to the last."""
    found: list[list[str]] = []
    cursor: str | None = None
    while True:
        asked = query | ({"cursor": cursor} if cursor else {})
        answer = person.get(f"/api/threads/{thread_id}/messages", query_string=asked)
        assert answer.status_code == 200, answer.text
        assert set(answer.json) == {"data", "next_cursor"}
        found.append([message["content"] or message["role"] for message in answer.json["data"]])
        cursor = answer.json["next_cursor"]
        if cursor is None:
            return found


def test_a_message_is_accepted_with_202_and_the_address_of_its_reply(ada: Person) -> None:
    answer = ada.post("/api/messages", {"content": "hello", "metadata": {"a": [1, {"b": None}]}, "title": "Greeting"})
    sent = answer.json
    assert (answer.status_code, answer.content_type) == (202, "application/json")
    assert set(sent) == {"thread", "message", "reply"}
    assert answer.headers["Location"] == f"/api/messages/{sent['reply']['id']}"
    assert set(sent["message"]) == set(sent["reply"]) == FIELDS
    assert (sent["message"]["role"], sent["message"]["content"], sent["message"]["status"]) == (
        "user",
        "hello",
        "completed",
    )
    assert sent["message"]["metadata"] == {"a": [1, {"b": None}]}
    assert sent["thread"]["title"] == "Greeting"
    reply = sent["reply"]
    assert (reply["role"], reply["content"], reply["status"]) == ("assistant", "", "pending")
    assert (reply["parent_id"], reply["model_id"]) == (sent["message"]["id"], "scripted/echo")
    assert ada.get(answer.headers["Location"]).json == reply


def test_both_ways_to_post_to_a_thread_lead_to_it(ada: Person) -> None:
    thread_id = ada.post("/api/threads").json["id"]
    first = ada.post(f"/api/threads/{thread_id}/messages", {"content": "one"})
    assert first.status_code == 202
    assert first.headers["Location"] == f"/api/messages/{first.json['reply']['id']}"
    second = ada.say("two", thread_id=thread_id)
    assert {first.json["thread"]["id"], second["thread"]["id"]} == {thread_id}
    assert second["message"]["parent_id"] == first.json["reply"]["id"]
    assert [first.json["reply"]["queue_position"], second["reply"]["queue_position"]] == [None, 1]


def test_a_thread_without_a_title_is_called_by_its_first_line(ada: Person) -> None:
    assert ada.say("\n  What is love?\nTell me.")["thread"]["title"] == "What is love?"
    assert ada.say("x" * 200)["thread"]["title"] == "x" * 79 + "…"
    named = ada.post("/api/threads", {"title": "Kept"}).json["id"]
    assert ada.say("other words", thread_id=named)["thread"]["title"] == "Kept"


def test_parameters_fall_back_from_message_to_thread_to_preferences_to_default(ada: Person) -> None:
    thread_id = ada.post("/api/threads", {"settings": {"model": "scripted/threads"}}).json["id"]
    assert ada.say()["reply"]["model_id"] == "scripted/echo"
    ada.patch("/api/me", {"preferences": {"model": "scripted/mine"}})
    assert ada.say()["reply"]["model_id"] == "scripted/mine"
    assert ada.say(thread_id=thread_id)["reply"]["model_id"] == "scripted/threads"
    assert ada.say(thread_id=thread_id, model="scripted/now")["reply"]["model_id"] == "scripted/now"


def test_an_unchanged_message_is_answered_with_304(ada: Person) -> None:
    path = f"/api/messages/{ada.say()['reply']['id']}"
    first = ada.get(path)
    again = ada.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    ada.post(f"{path}/cancel")
    assert ada.get(path, headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_waiting_ends_with_the_reply_and_not_before(ada: Person) -> None:
    path = f"/api/messages/{ada.say()['reply']['id']}"
    assert ada.get(f"{path}?wait=0.1").json["status"] == "pending"
    cancel = threading.Timer(0.2, ada.post, [f"{path}/cancel"])
    cancel.start()
    began = time.monotonic()
    assert ada.get(f"{path}?wait=20").json["status"] == "cancelled"
    assert 0.1 < time.monotonic() - began < 10
    cancel.join()
    for wait in ("61", "60.001", "-1", "nan", "inf", "soon"):
        assert fields(ada.get(f"{path}?wait={wait}")) == {"wait"}, wait


def test_cancelling_twice_gives_the_same_message(ada: Person) -> None:
    path = f"/api/messages/{ada.say()['reply']['id']}"
    first, second = ada.post(f"{path}/cancel"), ada.call("POST", f"{path}/cancel")
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json == second.json == ada.get(path).json
    assert (first.json["status"], first.json["finish_reason"]) == ("cancelled", "cancelled")
    assert first.json["completed_at"] is not None


def test_cancelling_what_is_no_reply_changes_nothing(ada: Person) -> None:
    message = ada.say()["message"]
    answer = ada.post(f"/api/messages/{message['id']}/cancel")
    assert (answer.status_code, answer.json) == (200, message)


def test_the_active_path_is_listed_oldest_first_with_the_newest_page_first(ada: Person) -> None:
    thread_id = ada.post("/api/threads").json["id"]
    assert listed(ada, thread_id) == [[]]
    for word in ("one", "two", "three"):
        ada.say(word, thread_id=thread_id)
    everything = ["one", "assistant", "two", "assistant", "three", "assistant"]
    assert listed(ada, thread_id) == listed(ada, thread_id, limit=6) == [everything]
    assert listed(ada, thread_id, limit=4) == [everything[2:], everything[:2]]


def test_a_branch_is_listed_by_its_path_and_the_tree_shows_all(ada: Person) -> None:
    root = ada.say("root")
    thread_id = root["thread"]["id"]
    ada.say("left", thread_id=thread_id)
    ada.patch(f"/api/threads/{thread_id}", {"active_message_id": root["reply"]["id"]})
    right = ada.say("right", thread_id=thread_id)
    assert right["message"]["parent_id"] == root["reply"]["id"]
    assert listed(ada, thread_id) == [["root", "assistant", "right", "assistant"]]
    tree = ["root", "assistant", "left", "assistant", "right", "assistant"]
    assert listed(ada, thread_id, all="true") == [tree]
    assert listed(ada, thread_id, all="true", limit=4) == [tree[:4], tree[4:]]


def test_a_cursor_that_is_none_of_this_list_is_refused(ada: Person) -> None:
    thread_id, other = ada.say()["thread"]["id"], ada.say()["reply"]["id"]
    garbage = ["garbage", "", "\0", "ÿ", other, str(uuid4()), other.replace("-", ""), "a" * 501]
    for path in (f"/api/threads/{thread_id}/messages", f"/api/threads/{thread_id}/messages?all=true"):
        for cursor in garbage:
            answer = ada.get(path.partition("?")[0], query_string={"cursor": cursor, "all": "all" in path})
            assert fields(answer) == {"cursor"}, (path, cursor)


def test_somebody_elses_message_is_answered_like_one_that_does_not_exist(ada: Person, ben: Person) -> None:
    def answers(id_: str) -> list[tuple[int, str]]:
        path = f"/api/messages/{id_}"
        calls = [ben.get(path), ben.get(f"{path}?wait=5"), ben.get(f"{path}/events"), ben.post(f"{path}/cancel")]
        return [(call.status_code, call.json["detail"]) for call in calls]

    reply = ada.say()["reply"]
    expected = [(404, "There is no such message, or it is not yours.")] * 4
    assert answers(reply["id"]) == answers(str(uuid4())) == expected
    assert ada.get(f"/api/messages/{reply['id']}").json == reply
