"""Notices are lost without Redis, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from app.chat import notices
from app.extensions import redis
from app.ids import new_id
from app.stream import log
from app.stream.events import Event
from tests.support.own_valkey import OwnValkey
from tests.support.shared_app import MakeApp


@pytest.fixture
def thread_id(make_app: MakeApp, own_valkey: OwnValkey) -> Iterator[UUID]:
    """A thread of an application whose Redis a test may take away, its context pushed."""
    with make_app(redis_url=own_valkey.redis_url, redis_timeout_seconds=0.2).app_context():
        yield new_id()


def test_what_goes_on_meanwhile_finds_the_notice_sent(thread_id: UUID) -> None:
    with notices.sending(Event("first", str(thread_id))):
        notices.send(Event("second", str(thread_id)))
    assert [event.type for event in log.read_all(redis(), str(thread_id))] == ["first", "second"]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_what_goes_on_meanwhile_goes_on_without_redis(thread_id: UUID, own_valkey: OwnValkey, when: str) -> None:
    gone_on = []
    if when == "before":
        own_valkey.lose()
    with notices.sending(Event("first", str(thread_id))):
        if when == "meanwhile":
            own_valkey.lose()
        gone_on.append(when)
    assert gone_on == [when]


def test_a_redis_that_does_not_answer_holds_nobody_up_for_long(thread_id: UUID, own_valkey: OwnValkey) -> None:
    with notices.sending(Event("first", str(thread_id))):
        own_valkey.freeze()
    own_valkey.thaw()
    notices.send(Event("second", str(thread_id)))
    assert log.read_all(redis(), str(thread_id))[-1].type == "second"


def test_what_fails_meanwhile_fails_whatever_redis_does(thread_id: UUID, own_valkey: OwnValkey) -> None:
    notices.send(Event("first", str(thread_id)))
    own_valkey.freeze()
    with pytest.raises(ZeroDivisionError), notices.sending(Event("second", str(thread_id))):
        assert 1 / 0
    own_valkey.thaw()
