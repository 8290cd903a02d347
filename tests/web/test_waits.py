"""Waits and queues on a thread's page, without JavaScript."""

from __future__ import annotations

from datetime import datetime

import pytest

from app.chat import reading
from app.models import Status
from tests.chat.branches import begun
from tests.web.thread_page import ThreadPage, one, parsed, shown
from tests.web.visitor import Visitor


@pytest.fixture
def page(visitor: Visitor) -> ThreadPage:
    """A reply that shall begin in an hour."""
    return ThreadPage(visitor, after_seconds=3600)


def until(page: ThreadPage) -> datetime:
    wake = one(page.seen(page.sent.reply.id), ".told time").attributes["datetime"]
    assert wake is not None
    return datetime.fromisoformat(wake)


def status(page: ThreadPage) -> str:
    return page.do(lambda: reading.get(page.user_id, page.sent.reply.id)).status


def test_a_wait_says_until_when_and_what_can_be_done(page: ThreadPage) -> None:
    reply = page.seen(page.sent.reply.id)
    assert shown(reply, ".state strong") == ["waiting"]
    assert shown(reply, ".state button") == ["Go on now", "Wait 10 minutes more", "Stop"]
    assert one(reply, ".left").text() == ""
    assert one(page.tree(), "meta[http-equiv=refresh]").attributes["content"] == "20"


def test_a_wait_is_ended(page: ThreadPage) -> None:
    response = page.act("wake", page.sent.reply.id)
    assert (response.status_code, response.location) == (303, page.address)
    assert status(page) == Status.PENDING


def test_a_wait_is_stretched(page: ThreadPage) -> None:
    before = until(page)
    assert page.act("snooze", page.sent.reply.id, seconds="600").status_code == 303
    assert (until(page) - before).total_seconds() == pytest.approx(600, abs=5)


@pytest.mark.parametrize("seconds", ["", "-1", "0", "nan", "inf", "1e999", "soon"])
def test_a_wait_is_not_stretched_by_nonsense(page: ThreadPage, seconds: str) -> None:
    response = page.act("snooze", page.sent.reply.id, seconds=seconds)
    assert response.status_code == 422
    assert "Seconds:" in one(parsed(response), "[role=alert]").text()


def test_what_does_not_wait_cannot_be_stretched_and_says_so(visitor: Visitor) -> None:
    page = ThreadPage(visitor)
    response = page.act("snooze", page.sent.reply.id, seconds="600")
    assert response.status_code == 409
    assert "not waiting" in one(parsed(response), f"#message-{page.sent.reply.id} [role=alert]").text()


def test_a_wait_is_stopped(page: ThreadPage) -> None:
    assert page.act("cancel", page.sent.reply.id).status_code == 303
    assert shown(page.seen(page.sent.reply.id), ".state strong") == ["cancelled"]


def test_a_queued_reply_says_how_many_stand_before_it(visitor: Visitor) -> None:
    page = ThreadPage(visitor)
    page.do(lambda: begun(page.sent))
    second, third = page.say("two"), page.say("three")
    places = [[each.text() for each in page.seen(sent.reply.id).css(".place")] for sent in (page.sent, second, third)]
    assert places == [[], ["1 before it"], ["2 before it"]]
