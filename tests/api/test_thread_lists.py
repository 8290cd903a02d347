"""Lists of threads: order, pages, filters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from app.database import transaction
from app.models import Job, Status, Thread
from tests.api.conftest import Person, fields

ORDERS = ("last_activity", "created_at")


def make(person: Person, count: int) -> list[str]:
    """The ids of so many new threads, oldest first."""
    return [person.post("/api/threads").json["id"] for _ in range(count)]


def pages(person: Person, **query: Any) -> list[list[str]]:
    """The ids of each page, from the first to the last."""
    found: list[list[str]] = []
    cursor: str | None = None
    while True:
        answer = person.get("/api/threads", query_string=query | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        assert set(answer.json) == {"data", "next_cursor"}
        found.append([thread["id"] for thread in answer.json["data"]])
        cursor = answer.json["next_cursor"]
        if cursor is None:
            return found


def test_the_newest_stand_first_in_both_orders(ada: Person, ben: Person) -> None:
    first, second, third = make(ada, 3)
    make(ben, 1)
    ada.say(thread_id=first)
    assert pages(ada) == pages(ada, order="last_activity") == [[first, third, second]]
    assert pages(ada, order="created_at") == [[third, second, first]]


def test_pages_join_without_gap_or_repeat(ada: Person) -> None:
    newest_first = make(ada, 7)[::-1]
    for order in ORDERS:
        assert pages(ada, order=order, limit=3) == [newest_first[:3], newest_first[3:6], newest_first[6:]]
        assert pages(ada, order=order, limit=7) == [newest_first]


def test_threads_of_the_same_moment_are_neither_lost_nor_repeated(app: Flask, ada: Person) -> None:
    ids = make(ada, 7)
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
    with app.app_context(), transaction() as session:
        session.execute(update(Thread).values(created_at=moment, updated_at=moment))
    for order in ORDERS:
        found = pages(ada, order=order, limit=2)
        assert [len(page) for page in found] == [2, 2, 2, 1]
        assert [id_ for page in found for id_ in page] == sorted(ids, reverse=True)


def test_a_thread_that_arrives_between_two_pages_changes_neither(ada: Person) -> None:
    newest_first = make(ada, 4)[::-1]
    first = ada.get("/api/threads?limit=2").json
    make(ada, 1)
    second = ada.get("/api/threads", query_string={"limit": 2, "cursor": first["next_cursor"]}).json
    assert [thread["id"] for thread in first["data"] + second["data"]] == newest_first


def test_archived_threads_are_listed_apart(ada: Person) -> None:
    shown, hidden = make(ada, 2)
    ada.patch(f"/api/threads/{hidden}", {"archived": True})
    assert pages(ada) == pages(ada, archived="false") == [[shown]]
    assert pages(ada, archived="true") == [[hidden]]


def test_threads_are_found_by_the_status_of_their_newest_active_reply(app: Flask, ada: Person) -> None:
    empty = make(ada, 1)[0]
    by_status = {status: ada.say()["thread"]["id"] for status in Status}
    with app.app_context(), transaction() as session:
        for status, thread_id in by_status.items():
            session.execute(update(Job).where(Job.thread_id == UUID(thread_id)).values(status=status))
    active = [Status.PENDING, Status.PROCESSING, Status.WAITING, Status.REQUIRES_ACTION]
    for status in active:
        assert pages(ada, status=status.value) == [[by_status[status]]], status
    ended = [by_status[status] for status in (Status.CANCELLED, Status.FAILED, Status.COMPLETED)]
    assert pages(ada, status="idle") == [[*ended, empty]]
    assert pages(ada, status="idle", limit=3) == [ended, [empty]]
    states = {thread["id"]: thread["status"] for thread in ada.get("/api/threads").json["data"]}
    assert states == {by_status[status]: status.value for status in active} | dict.fromkeys([*ended, empty], "idle")


def test_of_several_active_replies_the_newest_counts(app: Flask, ada: Person) -> None:
    first = ada.say()
    thread_id = first["thread"]["id"]
    ada.say(thread_id=thread_id)
    with app.app_context(), transaction() as session:
        running = update(Job).where(Job.id == UUID(first["reply"]["job_id"]))
        session.execute(running.values(status=Status.PROCESSING))
    assert ada.get(f"/api/threads/{thread_id}").json["status"] == "pending"
    assert pages(ada, status="pending") == [[thread_id]]
    assert pages(ada, status="processing") == [[]]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_wrong_query_is_named(ada: Person) -> None:
    wrong = {
        "limit=0": "limit",
        "limit=201": "limit",
        "limit=many": "limit",
        f"limit={'9' * 400}": "limit",
        "archived=perhaps": "archived",
        "order=name": "order",
        "status=completed": "status",
        "status=%00": "status",
        f"cursor={'a' * 501}": "cursor",
    }
    assert {query: fields(ada.get(f"/api/threads?{query}")) for query in wrong} == {
        query: {name} for query, name in wrong.items()
    }
