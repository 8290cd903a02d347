"""Each type of frame alone: the function that does it, on a real connection, without the loop that reads frames."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from werkzeug.exceptions import TooManyRequests

from app.api import socket_verbs
from app.api.socket_feeds import Feeds
from app.api.socket_frames import Cancel, Frame, Message, Solve, Subscribe, Unsubscribe
from app.api.socket_verbs import Visit
from app.auth import principal
from app.chat.errors import InvalidField, KeyReused, NotFound, ThreadBusy
from app.ids import new_id
from app.stream.websocket import Connection
from tests.api.conftest import Person
from tests.sockets.conftest import MakeApp, sign_up
from tests.sockets.peer import Peer

CREATED, SNAPSHOT, CANCELLED = "message.created", "thread.snapshot", "message.cancelled"


@dataclass
class Desk:
    """One person's visit, and what the client at the other end is sent."""

    app: Flask
    visit: Visit
    peer: Peer

    def do(self, verb: Callable[[Visit, Any], None], frame: Callable[[], Frame]) -> None:
        """Do it. Requests made meanwhile must find no context: they would share its `g`, and so their principal."""
        with self.app.app_context():
            verb(self.visit, frame())

    def heard(self, *types: str) -> list[dict[str, Any]]:
        """The next frames but those of changed threads, which must be of these types."""
        frames: list[dict[str, Any]] = []
        while len(frames) < len(types):
            frame = json.loads(self.peer.text())
            frames += [frame] if frame["type"] != "thread.updated" else []
        assert [frame["type"] for frame in frames] == list(types)
        return frames

    def hears_nothing(self) -> None:
        """No feed is there that could send anything, and nothing was sent."""
        self.visit.feeds.close_all()
        self.peer.sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            self.heard("")


@pytest.fixture
def desk(app: Flask, ada: Person) -> Iterator[Desk]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield (desk := sit_down(app, ada, ours, theirs))
        desk.visit.feeds.close_all()


def sit_down(app: Flask, person: Person, ours: socket.socket, theirs: socket.socket) -> Desk:
    """A visit of somebody's over these two ends."""
    with app.app_context():
        who = principal.by_key(person.key)
        assert who is not None
        feeds = Feeds(Connection(ours, longest=10_000, beat_seconds=15), who)
    return Desk(app, Visit(who.user_id, feeds, "the request"), Peer(theirs))


def subscribe(thread_id: str, **more: Any) -> Callable[[], Subscribe]:
    return partial(Subscribe, type="subscribe", thread_id=UUID(thread_id), **more)


def unsubscribe(thread_id: str) -> Callable[[], Unsubscribe]:
    return partial(Unsubscribe, type="unsubscribe", thread_id=UUID(thread_id))


def message(content: str = "hello", **more: Any) -> Callable[[], Message]:
    return partial(Message, type="message", content=content, **more)


def cancel(message_id: UUID | str) -> Callable[[], Cancel]:
    return partial(Cancel, type="cancel", message_id=UUID(str(message_id)))


def solve(goal: str, **more: Any) -> Callable[[], Solve]:
    return partial(Solve, type="solve", goal=goal, **more)


def test_subscribe_sends_a_snapshot_and_what_happens_then(desk: Desk, ada: Person) -> None:
    sent = ada.say()
    desk.do(socket_verbs.subscribe, subscribe(sent["thread"]["id"]))
    [snapshot] = desk.heard(SNAPSHOT)
    assert snapshot["thread"] == sent["thread"]
    assert snapshot["cursor"]
    ada.post(f"/api/messages/{sent['reply']['id']}/cancel")
    [cancelled] = desk.heard(CANCELLED)
    assert cancelled["message"]["id"] == sent["reply"]["id"]
    assert cancelled["cursor"] > snapshot["cursor"]


def test_subscribe_after_a_cursor_sends_what_came_after_it(desk: Desk, ada: Person) -> None:
    sent = ada.say()
    desk.do(socket_verbs.subscribe, subscribe(sent["thread"]["id"]))
    [snapshot] = desk.heard(SNAPSHOT)
    ada.post(f"/api/messages/{sent['reply']['id']}/cancel")
    [cancelled] = desk.heard(CANCELLED)
    desk.do(socket_verbs.subscribe, subscribe(sent["thread"]["id"], after=snapshot["cursor"]))
    assert desk.heard(CANCELLED) == [cancelled]
    desk.do(socket_verbs.subscribe, subscribe(sent["thread"]["id"], after=cancelled["cursor"]))
    desk.hears_nothing()


@pytest.mark.parametrize("after", ["", "garbage", "0-0", "1-1", "9" * 400])
def test_subscribe_after_any_other_cursor_sends_a_snapshot(desk: Desk, ada: Person, after: str) -> None:
    desk.do(socket_verbs.subscribe, subscribe(ada.say()["thread"]["id"], after=after))
    desk.heard(SNAPSHOT)


def test_subscribe_to_what_is_not_ones_own_is_refused(desk: Desk, ben: Person) -> None:
    for thread_id in (ben.say()["thread"]["id"], str(new_id())):
        with pytest.raises(NotFound):
            desk.do(socket_verbs.subscribe, subscribe(thread_id, after="1-1"))
    desk.hears_nothing()


def test_subscribe_to_one_thread_too_many_is_refused(desk: Desk, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.socket_feeds._MOST", 2)
    one, two, three = (ada.say()["thread"]["id"] for _ in range(3))
    for thread_id in (one, two, one, two):
        desk.do(socket_verbs.subscribe, subscribe(thread_id))
    with pytest.raises(InvalidField, match="unsubscribe"):
        desk.do(socket_verbs.subscribe, subscribe(three))
    desk.do(socket_verbs.unsubscribe, unsubscribe(one))
    desk.do(socket_verbs.subscribe, subscribe(three))


def test_unsubscribe_is_the_last_that_is_heard_of_a_thread(desk: Desk, ada: Person) -> None:
    sent = ada.say()
    thread_id = sent["thread"]["id"]
    for _ in range(2):  # the second one finds nothing to do
        desk.do(socket_verbs.unsubscribe, unsubscribe(thread_id))
    desk.do(socket_verbs.subscribe, subscribe(thread_id))
    desk.heard(SNAPSHOT)
    desk.do(socket_verbs.unsubscribe, unsubscribe(thread_id))
    ada.post(f"/api/messages/{sent['reply']['id']}/cancel")
    desk.hears_nothing()


def test_message_makes_a_thread_and_tells_of_it_from_its_beginning(desk: Desk, ada: Person) -> None:
    desk.do(socket_verbs.message, message("hello", title="A talk", metadata={"mine": 1}))
    asked, reply = desk.heard(CREATED, CREATED)
    assert (asked["message"]["content"], asked["message"]["metadata"]) == ("hello", {"mine": 1})
    assert (reply["message"]["role"], reply["message"]["status"]) == ("assistant", "pending")
    assert asked["cursor"]
    assert reply["cursor"]
    assert ada.get(f"/api/threads/{asked['thread_id']}").json["title"] == "A talk"
    desk.do(socket_verbs.cancel, cancel(reply["message_id"]))
    desk.heard(CANCELLED)


def test_message_to_a_thread_sends_that_first_and_then_what_was_made(desk: Desk, ada: Person) -> None:
    thread_id = ada.say()["thread"]["id"]
    for number in range(2):
        desk.do(socket_verbs.message, message("more", thread_id=UUID(thread_id)))
        if number == 0:
            [snapshot] = desk.heard(SNAPSHOT)
            assert len(snapshot["messages"]) == 2
        asked, _ = desk.heard(CREATED, CREATED)
        assert asked["message"]["content"] == "more"


def test_message_is_refused_as_a_post_is_and_nothing_is_stored(desk: Desk, ada: Person, ben: Person) -> None:
    busy, foreign = UUID(ada.say()["thread"]["id"]), UUID(ben.say()["thread"]["id"])
    with pytest.raises(NotFound):
        desk.do(socket_verbs.message, message(thread_id=foreign))
    with pytest.raises(ThreadBusy):
        desk.do(socket_verbs.message, message(thread_id=busy, busy="reject"))
    with pytest.raises(InvalidField, match="steer"):
        desk.do(socket_verbs.message, message(thread_id=busy, busy="steer", after_seconds=5))
    with pytest.raises(InvalidField):
        desk.do(socket_verbs.message, message(model="nobody/nothing"))
    assert len(ada.get("/api/threads").json["data"]) == 1
    assert len(ada.get(f"/api/threads/{busy}/messages").json["data"]) == 2


def test_message_sent_again_with_its_key_is_made_once(desk: Desk, ada: Person) -> None:
    for ref in ("first", "again"):
        desk.do(socket_verbs.message, message(ref=ref, idempotency_key="k"))
    desk.heard(CREATED, CREATED)
    desk.hears_nothing()
    assert len(ada.get("/api/threads").json["data"]) == 1
    with pytest.raises(KeyReused):
        desk.do(socket_verbs.message, message("something else", idempotency_key="k"))


def test_message_sent_again_on_a_new_connection_follows_its_thread(desk: Desk, ada: Person) -> None:
    desk.do(socket_verbs.message, message(idempotency_key="k"))
    created, _ = desk.heard(CREATED, CREATED)
    desk.visit.feeds.close_all()
    desk.do(socket_verbs.message, message(idempotency_key="k"))
    [snapshot] = desk.heard(SNAPSHOT)
    assert snapshot["thread_id"] == created["thread_id"]
    assert len(snapshot["messages"]) == 2


def test_message_draws_on_the_budget_of_all_posts(make_app: MakeApp, own_valkey: str) -> None:
    app = make_app(rate_limits="on", posts_per_minute=3, redis_url=own_valkey)
    ada = sign_up(app, "ada@example.com")
    ada.say()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        desk = sit_down(app, ada, ours, theirs)
        for _ in range(2):
            desk.do(socket_verbs.message, message())
        with pytest.raises(TooManyRequests) as refused:
            desk.do(socket_verbs.message, message())
        assert 0 < refused.value.retry_after <= 60
        desk.visit.feeds.close_all()
    assert ada.post("/api/messages", {"content": "x"}).status_code == 429
    assert len(ada.get("/api/threads").json["data"]) == 3


def test_cancel_stops_a_reply_and_is_heard_where_its_thread_is_followed(desk: Desk, ada: Person) -> None:
    reply_id = UUID(ada.say()["reply"]["id"])
    for _ in range(2):  # the second one finds it ended
        desk.do(socket_verbs.cancel, cancel(reply_id))
    assert ada.get(f"/api/messages/{reply_id}").json["status"] == "cancelled"
    desk.hears_nothing()


def test_cancel_of_what_is_not_ones_own_is_refused(desk: Desk, ben: Person) -> None:
    reply_id = ben.say()["reply"]["id"]
    for message_id in (UUID(reply_id), new_id()):
        with pytest.raises(NotFound):
            desk.do(socket_verbs.cancel, cancel(message_id))
    assert ben.get(f"/api/messages/{reply_id}").json["status"] == "pending"


def test_solve_posts_a_goal_with_or_without_a_thread(desk: Desk, ada: Person) -> None:
    desk.do(socket_verbs.solve, solve("peace", max_steps=3))
    asked, reply = desk.heard(CREATED, CREATED)
    assert asked["message"]["content"] == "peace"
    thread_id = UUID(reply["thread_id"])
    desk.do(socket_verbs.solve, solve("quiet", thread_id=thread_id))
    asked, _ = desk.heard(CREATED, CREATED)
    assert asked["message"]["content"] == "quiet"
    with pytest.raises(NotFound):
        desk.do(socket_verbs.solve, solve("x", thread_id=new_id()))
