"""Idempotency-Key: a POST that is sent again makes nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.chat import retention
from tests.api.conftest import MakeApp, Person, Traces, fields, sign_up

PATHS = {"/api/messages": {"content": "hello"}, "/api/threads": {"title": "Plans"}}


def again(person: Person, body: dict[str, Any], key: str = "k-1", path: str = "/api/messages") -> TestResponse:
    return person.post(path, body, headers={"Idempotency-Key": key})


def kept(answer: TestResponse) -> tuple[int, str | None, str | None, bytes]:
    return answer.status_code, answer.headers.get("Location"), answer.content_type, answer.data


def test_the_same_request_gets_the_first_answer_byte_for_byte(ada: Person, traces: Callable[[], Traces]) -> None:
    sent = ada.say()
    thread, reply = f"/api/threads/{sent['thread']['id']}", f"/api/messages/{sent['reply']['id']}"
    also: dict[str, dict[str, Any]] = {f"{thread}/messages": {"content": "hello"}, f"{thread}/solve": {"goal": "rest"}}
    for path, body in (PATHS | also | {f"{reply}/regenerate": {"temperature": 0.5}}).items():
        first = again(ada, body, f"key of {path}", path)
        ada.post("/api/messages", {"content": "in between"})
        before = traces()
        second = again(ada, body, f"key of {path}", path)
        assert kept(first) == kept(second)
        assert first.status_code in {201, 202}
        assert first.headers["Location"]
        assert [one.headers.get("Idempotent-Replayed") for one in (first, second)] == [None, "true"]
        assert traces() == before


def test_the_first_answer_is_kept_whatever_became_of_it(ada: Person) -> None:
    first = again(ada, {"content": "x"})
    ada.post(f"/api/messages/{first.json['reply']['id']}/cancel")
    ada.delete(f"/api/threads/{first.json['thread']['id']}")
    assert kept(again(ada, {"content": "x"})) == kept(first)


def test_another_body_or_path_under_the_same_key_is_422(ada: Person, traces: Callable[[], Traces]) -> None:
    thread_id = ada.post("/api/threads").json["id"]
    again(ada, {"content": "x"})
    before = traces()
    for path, body in (
        ("/api/messages", {"content": "y"}),
        ("/api/messages", {"content": "x", "title": "new"}),
        (f"/api/threads/{thread_id}/messages", {"content": "x"}),
        ("/api/threads", {}),
    ):
        answer = again(ada, body, path=path)
        assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")
    assert traces() == before


def test_requests_without_a_key_are_never_taken_for_each_other(ada: Person, traces: Callable[[], Traces]) -> None:
    assert ada.say("x")["reply"]["id"] != ada.say("x")["reply"]["id"]
    assert traces().keys == 0


def test_parallel_duplicates_make_one_message(app: Flask, ada: Person, traces: Callable[[], Traces]) -> None:
    before = traces()
    people = [replace(ada, client=app.test_client(use_cookies=False)) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda person: again(person, {"content": "twice?"}), people))
    assert len({kept(answer) for answer in answers}) == 1
    assert answers[0].status_code == 202
    after = traces()
    assert (after.threads - before.threads, after.messages - before.messages, after.jobs - before.jobs) == (1, 2, 1)
    assert (after.keys, after.wake_ups - before.wake_ups) == (1, 1)


def test_an_error_is_not_kept(ada: Person, traces: Callable[[], Traces]) -> None:
    for refused in ({"content": ""}, {"content": "x", "model": "openai/gpt-x"}, {"content": "x", "thread_id": ada.id}):
        assert again(ada, refused).status_code in {404, 422}
        assert traces().keys == 0
    assert again(ada, {"content": "now right"}).status_code == 202


def test_a_key_belongs_to_its_user(ada: Person, ben: Person) -> None:
    mine, theirs = again(ada, {"content": "x"}), again(ben, {"content": "x"})
    assert (mine.status_code, theirs.status_code) == (202, 202)
    assert theirs.json["message"]["user_id"] == ben.id
    assert mine.json["message"]["id"] != theirs.json["message"]["id"]
    assert kept(again(ada, {"content": "x"})) == kept(mine)
    assert kept(again(ben, {"content": "x"})) == kept(theirs)


def test_nothing_is_kept_where_the_answer_holds_a_secret(ada: Person, traces: Callable[[], Traces]) -> None:
    first, second = (again(ada, {"name": "ci"}, path="/api/keys") for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["key"] != second.json["key"]
    new = {"email": "eve@example.com", "password": "long enough"}
    assert [again(ada, new, path="/api/users").status_code for _ in range(2)] == [201, 409]
    assert again(ada, new, path="/api/session").status_code == 201
    assert traces().keys == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_key_that_cannot_be_kept_is_refused(ada: Person, traces: Callable[[], Traces]) -> None:
    before = traces()
    for key in ("", "k" * 256, "a\tb", "\x7f", "\x01", "\x85"):
        answer = again(ada, {"content": "x"}, key)
        assert fields(answer) == {"Idempotency-Key"}, key
    assert traces() == before
    assert again(ada, {"content": "x"}, "k" * 255).status_code == 202


def test_a_key_is_remembered_for_a_day_at_least(make_app: MakeApp) -> None:
    app = make_app()
    ada = sign_up(app, "ada@example.com")
    first = again(ada, {"content": "x"})
    with app.app_context():
        retention.clean_up()
    assert kept(again(ada, {"content": "x"})) == kept(first)
    assert retention._IDEMPOTENCY_SECONDS >= 86_400
