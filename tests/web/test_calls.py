"""What models ask of tools, on a thread's page, without JavaScript."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import insert

from app.chat import finishing
from app.clock import now
from app.database import transaction
from app.ids import new_id
from app.models import Step, ToolCall
from tests.chat.branches import begun, ending
from tests.web.thread_page import ThreadPage, one, shown
from tests.web.visitor import Visitor


def calls(page: ThreadPage, *wanted: dict[str, Any]) -> list[UUID]:
    """Begin the reply and give it these calls."""
    claim, step_id, ids = begun(page.sent), new_id(), [new_id() for _ in wanted]
    step = {"id": step_id, "job_id": claim.job_id, "number": 1, "attempt": 1, "kind": "model"}
    usual = {"message_id": page.sent.reply.id, "step_id": step_id, "name": "clock", "arguments": "{}", "call_id": "c"}
    with transaction() as session:
        session.execute(insert(Step).values(step))
        for id_, values in zip(ids, wanted, strict=True):
            session.execute(insert(ToolCall).values(usual | {"id": id_, "status": "completed"} | values))
    return ids


def test_calls_are_shown_in_order_with_all_there_is_to_know(visitor: Visitor) -> None:
    page = ThreadPage(visitor)
    long = "<i>line</i>\n" * 400
    done = {
        "name": "fetch_url",
        "arguments": '{"url": "<b>"}',
        "result": long,
        "started_at": now(),
        "completed_at": now(),
    }
    failed = {"name": "nonsense", "arguments": "{not json", "status": "failed", "error": "There is no tool."}
    ids = page.do(lambda: calls(page, done, failed, {"status": "processing", "started_at": now()}))
    found = page.seen(page.sent.reply.id).css(".call")
    assert [one(call, "details").attributes["id"] for call in found] == [f"call-{id_}" for id_ in ids]
    assert [one(call, "summary strong").text() for call in found] == ["fetch_url", "nonsense", "clock"]
    assert [shown(call, ".called") for call in found] == [["done"], ["failed"], ["running"]]
    assert one(found[0], ".arguments").text() == '{\n  "url": "<b>"\n}'
    assert one(found[0], ".result").text() == long
    assert one(found[1], ".arguments").text() == "{not json"
    assert one(found[1], "pre.error").text() == "There is no tool."
    assert [len(call.css("h3, details > p")) for call in found] == [4, 2, 2]


def test_a_long_result_is_cut_in_the_line_that_is_always_seen(visitor: Visitor) -> None:
    page = ThreadPage(visitor)
    page.do(lambda: calls(page, {"result": "  one\n\n two " + "👋" * 500}))
    line = one(page.seen(page.sent.reply.id), "summary .brief").text()
    assert len(line) == 120
    assert line.startswith("one two 👋")
    assert line.endswith("👋…")


def test_a_plan_is_shown_as_its_steps(visitor: Visitor) -> None:
    page = ThreadPage(visitor)
    steps = '{"steps": [{"title": "<b>look</b>", "state": "done"}, {"title": "leap"}]}'
    broken = {"name": "plan", "arguments": '{"steps": 3}', "status": "failed", "error": "steps: should be a list"}
    page.do(lambda: calls(page, {"name": "plan", "arguments": steps, "result": "Plan noted."}, broken))
    planned = page.seen(page.sent.reply.id).css(".plan li")
    assert [(step.text(), step.attributes["data-state"]) for step in planned] == [
        ("<b>look</b>", "done"),
        ("leap", "pending"),
    ]


def test_a_reply_without_tools_has_no_cards(visitor: Visitor) -> None:
    page = ThreadPage(visitor)
    page.do(lambda: finishing.finish(begun(page.sent), ending("done")))
    assert page.seen(page.sent.reply.id).css(".call") == []
