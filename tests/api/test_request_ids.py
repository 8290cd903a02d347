"""X-Request-Id: one name for a request, from its sender to the log line of the job that it caused."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from flask import Flask

from app.database import reading
from app.models import Job
from tests.api.conftest import Person

GOOD = ["a", "A.b_c-9", "x" * 128, "0192e4d0-0000-7000-8000-000000000000"]
BAD = ["", " ", "x" * 129, "a b", "é", "a/b", "a\tb", "<script>", "a,b", "../../etc"]


def test_a_good_id_is_echoed_and_kept_in_the_jobs_row(app: Flask, ada: Person) -> None:
    for given in GOOD:
        answer = ada.post("/api/messages", {"content": "x"}, headers={"X-Request-Id": given})
        assert answer.headers["X-Request-Id"] == given
        with app.app_context(), reading() as session:
            assert session.get_one(Job, UUID(answer.json["reply"]["job_id"])).request_id == given


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_any_other_is_replaced(app: Flask, ada: Person) -> None:
    for given in BAD:
        answer = ada.post("/api/messages", {"content": "x"}, headers={"X-Request-Id": given})
        made = answer.headers["X-Request-Id"]
        assert re.fullmatch(r"[0-9a-f]{32}", made), given
        with app.app_context(), reading() as session:
            assert session.get_one(Job, UUID(answer.json["reply"]["job_id"])).request_id == made


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_answer_has_one_of_its_own(ada: Person) -> None:
    answers = [ada.get("/api/me"), ada.get("/api/nothing"), ada.call("PUT", "/api/me"), ada.get("/healthz")]
    answers += [ada.call("POST", "/api/messages", data=b"{", content_type="application/json"), ada.get("/signin")]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == len(answers)
    named = ada.get("/api/nothing", headers={"X-Request-Id": "mine"})
    assert (named.headers["X-Request-Id"], named.json["request_id"]) == ("mine", "mine")
