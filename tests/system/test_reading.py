"""The main job with real processes that nothing befalls: post, write, read, cancel."""

from __future__ import annotations

import httpx2 as httpx

from tests.support.reader import TERMINAL, Reader, follow, sse
from tests.support.stack import Stack, until
from tests.system.posting import Listening, poll, post, words


def test_poll_sse_and_pubsub_show_the_same_reply(stack: Stack, client: httpx.Client) -> None:
    thread_id = client.post("/api/threads", json={}).json()["id"]
    listening = Listening(stack, thread_id)
    made = post(client, "!delay 0.01\n!words 60", thread_id=thread_id)
    reply_id = made["reply"]["id"]
    by_sse = follow(client, f"/api/messages/{reply_id}/events")
    by_pubsub = listening.end()
    stored = poll(client, reply_id)
    assert stored["content"] == words(60)
    for reader in (by_sse, by_pubsub):
        reply = reader.replies[reply_id]
        assert (reply.text, reply.last["content"] if reply.last else None) == (words(60), words(60))
        assert reader.ordered
        assert reader.gaps == 0


def test_cancelling_ends_a_running_reply_and_keeps_its_text(stack: Stack, client: httpx.Client) -> None:
    reply_id = post(client, "!delay 0.05\n!words 400")["reply"]["id"]
    until(lambda: len(client.get(f"/api/messages/{reply_id}").json()["content"]) > 10, what="some text")
    answer = client.post(f"/api/messages/{reply_id}/cancel")
    assert answer.status_code in {200, 202}
    ended = poll(client, reply_id, 5)
    assert (ended["status"], ended["finish_reason"]) == ("cancelled", "cancelled")
    assert words(400).startswith(ended["content"])
    assert ended["usage_estimated"]
    again = client.post(f"/api/messages/{reply_id}/cancel")
    assert (again.status_code, again.json()["content"]) == (200, ended["content"])


def test_messages_of_a_thread_are_answered_in_their_order(stack: Stack, client: httpx.Client) -> None:
    first = post(client, "!delay 0.05\n!words 20")
    thread_id = first["thread"]["id"]
    second = post(client, "two", thread_id=thread_id)
    third = post(client, "three", thread_id=thread_id)
    assert [second["reply"]["queue_position"], third["reply"]["queue_position"]] == [1, 2]
    ended = [poll(client, made["reply"]["id"]) for made in (first, second, third)]
    assert [message["content"] for message in ended] == [words(20), "two", "three"]
    assert ended[0]["completed_at"] <= ended[1]["completed_at"] <= ended[2]["completed_at"]


def test_a_reader_that_reconnects_at_every_event_misses_and_repeats_nothing(stack: Stack, client: httpx.Client) -> None:
    reply_id = post(client, "!delay 0.05\n!words 40")["reply"]["id"]
    reader, after = Reader(), None
    while not TERMINAL & set(reader.types):
        for event, cursor in sse(client, f"/api/messages/{reply_id}/events", after):
            reader.apply(event, cursor)
            after = cursor or after
            break
    assert reader.replies[reply_id].text == words(40)
    assert reader.ordered
    assert reader.gaps == 0
    assert reader.replies[reply_id].resets == 1
    at_end = client.get(f"/api/messages/{reply_id}/events", headers={"Last-Event-ID": str(after)})
    assert at_end.status_code == 204


def test_a_stream_closes_within_five_seconds_of_its_key_being_revoked(stack: Stack, client: httpx.Client) -> None:
    made = post(client, "!delay 0.2\n!words 100")
    other = client.post("/api/keys", json={"name": "second"}).json()
    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {other['key']}"}) as second:
        events = sse(second, f"/api/threads/{made['thread']['id']}/events")
        next(events)
        assert client.delete(f"/api/keys/{other['id']}").status_code == 204
        seen = len(list(events))  # ends, because the server closes the stream
    assert seen < 5 / 0.2 + 5
    assert client.get(f"/api/messages/{made['reply']['id']}").json()["status"] == "processing"
