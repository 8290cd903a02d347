"""How many statements a request costs: pinned, so that a loop over rows cannot creep in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from app.extensions import db
from tests.api.conftest import Person
from tests.support.statements import asked

# Each with the one that looks up the key.
COSTS = {
    "post a first message": 5,
    "post a further message": 8,
    "read a message": 3,
    "read a thread": 5,
    "list messages": 5,
    "list threads": 5,
}

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def statements(app: Flask) -> Callable[[Callable[[], object]], int]:
    """Counts the statements that a call sends."""
    with app.app_context():
        engine = db.engine

    def count(call: Callable[[], object]) -> int:
        with asked(engine) as found:
            call()
        return len(found)

    return count


def test_a_request_costs_so_many_statements(ada: Person, statements: Callable[[Callable[[], object]], int]) -> None:
    sent = ada.say()
    thread_id, reply_id = sent["thread"]["id"], sent["reply"]["id"]
    ada.say(thread_id=thread_id)
    costs = {
        "post a first message": statements(ada.say),
        "post a further message": statements(lambda: ada.say(thread_id=thread_id)),
        "read a message": statements(lambda: ada.get(f"/api/messages/{reply_id}")),
        "read a thread": statements(lambda: ada.get(f"/api/threads/{thread_id}")),
        "list messages": statements(lambda: ada.get(f"/api/threads/{thread_id}/messages")),
        "list threads": statements(lambda: ada.get("/api/threads")),
    }
    assert costs == COSTS


def test_a_list_of_many_threads_costs_no_more_than_one_of_few(
    ada: Person, statements: Callable[[Callable[[], object]], int]
) -> None:
    def listed(limit: int) -> int:
        return statements(lambda: len(ada.get(f"/api/threads?limit={limit}").json["data"]))

    for _ in range(10):
        ada.say(thread_id=ada.say()["thread"]["id"])
    few = listed(200)
    for _ in range(190):
        ada.say()
    assert len(ada.get("/api/threads?limit=200").json["data"]) == 200
    assert few == listed(200)


def test_a_long_thread_costs_no_more_than_a_short_one(
    ada: Person, statements: Callable[[Callable[[], object]], int]
) -> None:
    thread_id = ada.say()["thread"]["id"]
    ada.say(thread_id=thread_id)

    def costs() -> list[int]:
        path = f"/api/threads/{thread_id}"
        return [
            statements(lambda: ada.get(f"{path}/messages")),
            statements(lambda: ada.get(f"{path}/messages?all=true")),
            statements(lambda: ada.get(path)),
            statements(lambda: ada.say(thread_id=thread_id)),
        ]

    short = costs()
    for _ in range(30):
        ada.say(thread_id=thread_id)
    assert costs() == short
