"""/ws over a real socket: the frames of both sides, and the errors."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from app.ids import new_id
from tests.api.conftest import PASSWORD, Person
from tests.sockets.conftest import MakeApp, Serve, Site, sign_up
from tests.sockets.talk import Talk, talking
from tests.support.stack import until

ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CREATED, SNAPSHOT, CANCELLED, UPDATED = "message.created", "thread.snapshot", "message.cancelled", "thread.updated"


def test_the_first_frame_says_which_connection_it_is(site: Site, ada: Person) -> None:
    with site.talk(ada) as one, site.talk(ada) as other:
        assert UUID(one.id)
        assert one.id != other.id
        one.silent()


def test_a_subscription_begins_with_a_snapshot_and_has_a_cursor_in_each_event(site: Site, ada: Person) -> None:
    sent = ada.say()
    with site.talk(ada) as talk:
        talk.say("subscribe", thread_id=sent["thread"]["id"])
        snapshot = talk.hear(SNAPSHOT)
        assert set(snapshot) == {"type", "thread_id", "thread", "messages", "next_cursor", "cursor"}
        ada.post(f"/api/threads/{sent['thread']['id']}/messages", {"content": "again"})
        ada.post(f"/api/messages/{sent['reply']['id']}/cancel")
        events = [event for event in talk.ended() if event["type"] != UPDATED]
        assert [event["type"] for event in events] == [CREATED, CREATED, CANCELLED]
        assert set(events[-1]) == {"type", "thread_id", "message_id", "attempt", "message", "cursor"}
        assert talk.reader.ordered
        assert len(talk.reader.cursors) == len(talk.reader.types)


def test_events_are_those_of_the_event_stream_with_the_same_cursors(site: Site, ada: Person) -> None:
    sent = ada.say()
    with site.talk(ada) as talk:
        talk.say("subscribe", thread_id=sent["thread"]["id"])
        talk.hear(SNAPSHOT)
        ada.post(f"/api/messages/{sent['reply']['id']}/cancel")
        heard = talk.hear(CANCELLED)
    answer = ada.get(f"/api/messages/{sent['reply']['id']}/events")
    members = dict(line.split(": ", 1) for line in answer.text.splitlines() if ": " in line and line[0] != ":")
    assert heard == {"cursor": members["id"], **json.loads(members["data"])}


def test_whoever_comes_back_with_a_cursor_gets_what_was_missed(site: Site, ada: Person) -> None:
    sent = ada.say()
    thread_id = sent["thread"]["id"]
    with site.talk(ada) as talk:
        talk.say("subscribe", thread_id=thread_id)
        cursor = talk.hear(SNAPSHOT)["cursor"]
    ada.post(f"/api/messages/{sent['reply']['id']}/cancel")
    with site.talk(ada) as talk:
        talk.say("subscribe", thread_id=thread_id, after=cursor)
        assert talk.hear(CANCELLED)["message_id"] == sent["reply"]["id"]


def test_several_threads_are_followed_on_one_connection(site: Site, ada: Person) -> None:
    sent = [ada.say(f"thread {number}") for number in range(3)]
    with site.talk(ada) as talk:
        for one in sent:
            talk.say("subscribe", thread_id=one["thread"]["id"])
        assert {talk.hear(SNAPSHOT)["thread_id"] for _ in sent} == {one["thread"]["id"] for one in sent}
        talk.say("unsubscribe", thread_id=sent[0]["thread"]["id"])
        talk.silent()
        for one in sent:
            ada.post(f"/api/messages/{one['reply']['id']}/cancel")
        assert {talk.hear(CANCELLED)["message_id"] for _ in sent[1:]} == {one["reply"]["id"] for one in sent[1:]}
        talk.silent()


def test_a_message_can_be_posted_followed_and_cancelled(site: Site, ada: Person) -> None:
    with site.talk(ada) as talk:
        talk.say("message", content="hello")
        asked, reply = talk.hear(CREATED), talk.hear(CREATED)
        talk.say("message", content="and then", thread_id=asked["thread_id"])
        again, _ = talk.hear(CREATED), talk.hear(CREATED)
        assert (asked["message"]["content"], again["message"]["content"]) == ("hello", "and then")
        talk.say("cancel", message_id=reply["message_id"])
        assert talk.hear(CANCELLED)["message"] == ada.get(f"/api/messages/{reply['message_id']}").json
        talk.say("solve", goal="a goal", thread_id=asked["thread_id"])
        assert talk.hear(CREATED)["message"]["content"] == "a goal"


def test_a_message_can_be_posted_where_nothing_was_missed(site: Site, ada: Person) -> None:
    thread_id = ada.say()["thread"]["id"]
    with site.talk(ada) as talk:
        cursor = snapshot_of(talk, thread_id)["cursor"]
    with site.talk(ada) as talk:
        talk.say("subscribe", thread_id=thread_id, after=cursor)
        talk.say("message", content="more", thread_id=thread_id)
        assert talk.hear(CREATED)["message"]["content"] == "more"


def test_a_browser_posts_with_its_cookie(site: Site, ada: Person) -> None:
    browser = site.app.test_client()
    browser.post("/api/session", json={"email": ada.email, "password": PASSWORD})
    cookie = "; ".join(f"{found.key}={found.value}" for found in browser._cookies.values())
    with talking(site.url, {"Cookie": cookie}, origin=f"http://127.0.0.1:{site.port}") as talk:
        talk.say("message", content="from a page")
        assert talk.hear(CREATED)["message"]["user_id"] == ada.id


def test_errors_have_a_code_a_detail_and_the_reference(site: Site, ada: Person, ben: Person) -> None:
    foreign, busy = ben.say()["thread"]["id"], ada.say()["thread"]["id"]
    nothing = str(new_id())
    with site.talk(ada) as talk:
        for code, frame in [
            ("validation_error", {"type": "subscribe"}),
            ("validation_error", {"type": "message", "content": ""}),
            ("validation_error", {"type": "message", "content": "x", "model": "nobody/nothing"}),
            ("validation_error", {"type": "hello"}),
            ("not_found", {"type": "subscribe", "thread_id": foreign}),
            ("not_found", {"type": "message", "content": "x", "thread_id": nothing}),
            ("not_found", {"type": "cancel", "message_id": nothing}),
            ("thread_busy", {"type": "message", "content": "x", "thread_id": busy, "busy": "reject"}),
        ]:
            talk.say(type_=frame.pop("type"), **frame, ref="mine")
            error = talk.until("error")[-1]
            assert error == {"type": "error", "code": code, "detail": error["detail"], "ref": "mine"}
            assert error["detail"]
        assert talk.refused("subscribe", ref=7)["ref"] == 7
        assert set(talk.refused("subscribe")) == {"type", "code", "detail"}
        assert "thread_id" in talk.refused("subscribe")["detail"]
    assert len(ada.get("/api/threads").json["data"]) == 1


@ONE_DATABASE
@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\0\1", "unsupported_media_type"),
        (b"", "unsupported_media_type"),
        ("x" * 20_001, "payload_too_large"),
        (b"x" * 20_001, "payload_too_large"),
        ("", "malformed_json"),
        ("hello", "malformed_json"),
        ('{"type": "message", "content": NaN}', "malformed_json"),
        ("[" * 5_000, "malformed_json"),
        ("[]", "validation_error"),
        ("null", "validation_error"),
        ('{"type": "hello"}', "validation_error"),
        ('{"type": ["subscribe"]}', "validation_error"),
        ('{"type": "message", "content": "\\ud800"}', "validation_error"),
        ('{"type": "message", "content": "\\u0000"}', "validation_error"),
        ('{"type": "message", "content": "x", "\\ud800": 1, "ref": "\\ud800"}', "validation_error"),
        ('{"type": "message", "content": "x", "metadata": ' + '{"a":' * 100 + "1" + "}" * 101, "validation_error"),
    ],
)
def test_what_cannot_be_read_is_told_so_and_the_next_frame_is_read(
    make_app: MakeApp, serve: Serve, message: str | bytes, code: str
) -> None:
    site = serve(make_app(max_body_bytes=20_000))
    with site.talk(sign_up(site.app, "ada@example.com")) as talk:
        talk.raw(message)
        assert talk.hear("error")["code"] == code
        talk.silent()


def test_what_is_refused_is_no_offence(site: Site, ada: Person) -> None:
    with site.talk(ada) as talk:
        for _ in range(30):
            assert talk.refused("cancel", message_id=str(new_id()))["code"] == "not_found"
            assert talk.refused("cancel")["code"] == "validation_error"
        talk.silent()


def test_too_many_posts_are_refused_with_how_long_to_wait(make_app: MakeApp, serve: Serve, own_valkey: str) -> None:
    site = serve(make_app(rate_limits="on", posts_per_minute=2, redis_url=own_valkey))
    ada = sign_up(site.app, "ada@example.com")
    with site.talk(ada) as talk:
        ada.say()
        talk.say("message", content="the second")
        talk.hear(CREATED)
        talk.hear(CREATED)
        error = talk.refused("message", content="the third", ref="r")
        assert (error["code"], error["ref"]) == ("rate_limited", "r")
        assert "2 per 1 minute" in error["detail"]


def test_a_deleted_thread_is_told_of_and_the_others_go_on(site: Site, ada: Person) -> None:
    gone, kept = ada.say()["thread"]["id"], ada.say()["thread"]["id"]
    with site.talk(ada) as talk:
        for thread_id in (gone, kept):
            talk.say("subscribe", thread_id=thread_id, ref=thread_id)
            talk.hear(SNAPSHOT)
        ada.delete(f"/api/threads/{gone}")
        error = talk.until("error")[-1]
        assert (error["code"], error["ref"]) == ("not_found", gone)
        ada.patch(f"/api/threads/{kept}", {"title": "still here"})
        until(lambda: talk.hear(UPDATED)["thread"]["title"] == "still here", what="the change")


def test_errors_of_ours_are_told_as_such_and_do_not_end_it(
    site: Site, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    with site.talk(ada) as talk:
        monkeypatch.setattr("app.api.socket_verbs.cancelling.cancel", fail)
        error = talk.refused("cancel", message_id=str(new_id()), ref=1)
        assert (error["code"], error["ref"]) == ("internal_error", 1)
        talk.silent()


def test_a_hundred_frames_at_once_are_answered_in_their_order(site: Site, ada: Person) -> None:
    with site.talk(ada) as talk:
        for number in range(100):
            talk.say("cancel", message_id=str(new_id()), ref=number)
        assert [talk.hear("error")["ref"] for _ in range(100)] == list(range(100))


def test_frames_sent_just_before_leaving_are_obeyed(site: Site, ada: Person) -> None:
    with site.talk(ada) as talk:
        talk.say("message", content="posted and gone")
    until(lambda: len(ada.get("/api/threads").json["data"]) == 1, what="the message")


def snapshot_of(talk: Talk, thread_id: str) -> dict[str, Any]:
    talk.say("subscribe", thread_id=thread_id)
    return talk.hear(SNAPSHOT)


def test_a_second_subscription_replaces_the_first(site: Site, ada: Person) -> None:
    sent = ada.say()
    with site.talk(ada) as talk:
        for _ in range(3):
            snapshot_of(talk, sent["thread"]["id"])
        assert site.readers == 1
        ada.post(f"/api/messages/{sent['reply']['id']}/cancel")
        talk.hear(CANCELLED)
        talk.silent()
