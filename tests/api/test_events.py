"""Event streams as they are asked for: headers, snapshot, the end, and cursors of every kind."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.test import TestResponse

from tests.api.conftest import Person


def events(answer: TestResponse) -> list[tuple[str | None, dict[str, Any]]]:
    """The cursor and data of each event of a stream that has ended."""
    assert answer.status_code == 200, answer.text
    found = []
    for block in answer.text.split("\n\n"):
        members = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith((":", "retry")))
        if members:
            data = json.loads(members["data"])
            assert members["event"] == data["type"]
            found.append((members.get("id"), data))
    return found


def ended(person: Person) -> dict[str, Any]:
    """A cancelled reply."""
    reply_id = person.say()["reply"]["id"]
    return dict(person.post(f"/api/messages/{reply_id}/cancel").json)


def test_a_stream_tells_proxies_to_leave_it_alone(ada: Person) -> None:
    answer = ada.get(f"/api/messages/{ended(ada)['id']}/events")
    assert answer.mimetype == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache, no-transform"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in answer.headers
    assert answer.text.startswith("retry: ")


def test_the_stream_of_an_ended_reply_is_its_last_event(ada: Person) -> None:
    reply = ended(ada)
    [(cursor, event)] = events(ada.get(f"/api/messages/{reply['id']}/events"))
    assert cursor
    assert event == {
        "type": "message.cancelled",
        "thread_id": reply["thread_id"],
        "message_id": reply["id"],
        "attempt": reply["attempt"],
        "message": reply,
    }


def test_a_reader_that_has_the_last_event_gets_204(ada: Person) -> None:
    path = f"/api/messages/{ended(ada)['id']}/events"
    [(cursor, _)] = events(ada.get(path))
    for answer in (
        ada.get(path, headers={"Last-Event-ID": str(cursor)}),
        ada.get(path, query_string={"after": cursor}),
        ada.get(f"{path}?after=end"),
        ada.get(f"{path}?after=1-1", headers={"Last-Event-ID": str(cursor)}),
    ):
        assert (answer.status_code, answer.data, answer.content_type) == (204, b"", None)


def test_any_other_cursor_gets_the_last_event(ada: Person) -> None:
    path = f"/api/messages/{ended(ada)['id']}/events"
    [(foreign, _)] = events(ada.get(f"/api/messages/{ended(ada)['id']}/events"))
    for cursor in ("garbage", "", "\0", "0-0", "9" * 20 + "-0", "9" * 400, "-1", "1-1\n2-2", "ÿ", str(foreign)):
        found = events(ada.get(path, query_string={"after": cursor}))
        assert [event["type"] for _, event in found] == ["message.cancelled"], cursor


def test_a_users_message_is_complete_from_the_start(ada: Person) -> None:
    message = ada.say()["message"]
    [(cursor, event)] = events(ada.get(f"/api/messages/{message['id']}/events"))
    assert (cursor, event["type"], event["message"]) == ("end", "message.completed", message)


def test_a_threads_stream_begins_with_a_snapshot_whatever_the_cursor(ada: Person) -> None:
    sent = ada.say()
    path = f"/api/threads/{sent['thread']['id']}"
    shown = ada.get(f"{path}/messages").json
    for cursor in (None, "garbage", "\0", "9" * 20 + "-0"):
        answer = ada.get(f"{path}/events", query_string={"after": cursor} if cursor else {}, buffered=False)
        first = next(block for block in answer.iter_encoded() if b"data:" in block).decode()
        answer.close()
        snapshot = json.loads(first.partition("data: ")[2].partition("\n")[0])
        assert set(snapshot) == {"type", "thread_id", "thread", "messages", "next_cursor", "cursor"}
        assert (snapshot["type"], snapshot["thread"]) == ("thread.snapshot", sent["thread"])
        assert (snapshot["messages"], snapshot["next_cursor"]) == (shown["data"], None)
        assert f"id: {snapshot['cursor']}\n" in first
