from __future__ import annotations

from importlib import metadata
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from app.chat import answering, finishing, receipts
from app.chat.errors import NotFound
from app.database import transaction
from app.ids import new_id
from app.models import Message, Step, ToolCall
from tests.chat.asked import ask
from tests.chat.branches import begun, claim, ending, post
from tests.support import rows


def a_step(job_id: UUID, **values: Any) -> UUID:
    """A model call that ended."""
    id_ = new_id()
    with transaction() as session:
        session.execute(insert(Step).values(id=id_, job_id=job_id, kind="model", **values))
    return id_


def test_a_reply_that_has_not_begun_has_an_empty_receipt(user_id: UUID) -> None:
    sent = post(user_id)
    receipt = receipts.get(user_id, sent.reply.id)
    assert (receipt.message_id, receipt.model_id, receipt.status) == (sent.reply.id, "scripted/echo", "pending")
    assert (receipt.attempts, receipt.steps) == ([], [])
    assert (receipt.cost_in_cents, receipt.price_version, receipt.hold, receipt.settlement) == (None,) * 4
    asked = receipts.get(user_id, sent.message.id)
    assert (asked.status, asked.attempts, asked.steps) == ("completed", [], [])


def test_a_receipt_has_every_attempt_step_and_call_in_order(user_id: UUID) -> None:
    asked = ask(post(user_id), calls=2)
    job_id = asked.sent.reply.job_id
    assert job_id is not None
    answering.answer(user_id, asked.reply_id, asked.action_id, "x")
    again = claim(job_id)
    assert again is not None
    offered = [{"name": "clock", "offered": True, "reason": "it was asked for by name"}]
    counted = {"prompt_tokens": 5, "completion_tokens": 6, "cached_tokens": 1, "reasoning_tokens": 2}
    more = {"model_id": "scripted/echo", "request_id": "req-1", "finish_reason": "stop", "estimated": True}
    step_id = a_step(job_id, number=2, attempt=2, offered=offered, **counted, **more)
    call = {"message_id": asked.reply_id, "step_id": step_id, "call_id": "c", "arguments": "{", "name": "clock"}
    with transaction() as session:
        session.execute(insert(ToolCall).values(status="failed", error="No JSON.", **call))
    assert finishing.finish(again, ending())
    receipt = receipts.get(user_id, asked.reply_id)
    assert [(one.number, one.outcome, one.ended_at is None) for one in receipt.attempts] == [
        (1, "requires_action", False),
        (2, "completed", False),
    ]
    first, second = receipt.steps
    assert (first.number, first.attempt, first.offered) == (1, 1, [])
    assert [one.result for one in first.tool_invocations] == ["x", "x"]
    assert {name: getattr(second, name) for name in counted | more} == counted | more
    assert [one.model_dump() for one in second.offered] == offered
    assert [(one.name, one.arguments, one.error) for one in second.tool_invocations] == [("clock", "{", "No JSON.")]
    assert (receipt.status, receipt.finish_reason) == ("completed", "stop")


def test_the_price_list_is_named_where_a_cost_is_known(user_id: UUID) -> None:
    sent = post(user_id)
    assert finishing.finish(begun(sent), ending())
    for cost, version in ((None, None), (5, f"genai-prices {metadata.version('genai-prices')}")):
        with transaction() as session:
            session.execute(update(Message).where(Message.id == sent.reply.id).values(cost_in_cents=cost))
        receipt = receipts.get(user_id, sent.reply.id)
        assert (receipt.cost_in_cents, receipt.price_version) == (cost, version)


def test_nobody_else_reads_a_receipt(user_id: UUID) -> None:
    theirs = post(rows.a_user())
    for message_id in (theirs.reply.id, new_id()):
        with pytest.raises(NotFound):
            receipts.get(user_id, message_id)
