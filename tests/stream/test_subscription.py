from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from app.stream import subscription
from app.stream.events import Event
from app.stream.subscription import Closed, Interest, Item, Lagged, Look, Subscription


def reader() -> Subscription:
    return Subscription(Interest("thread", "key:1"))


def numbered(number: int) -> Event:
    return Event("x", "thread", fields={"number": number})


def test_items_come_out_in_the_order_they_went_in() -> None:
    mine = reader()
    items = [numbered(1), Look(None, degraded=False), numbered(2)]
    for item in items:
        mine.put(item)
    assert [mine.get(0) for _ in range(4)] == [*items, None]


def test_a_reader_that_does_not_keep_up_loses_everything_and_is_told_so_once() -> None:
    mine = reader()
    for number in range(subscription.QUEUE_LIMIT + 1):
        mine.put(numbered(number))
    assert mine.get(0) == Lagged()
    mine.put(numbered(-1))
    assert [mine.get(0) for _ in range(2)] == [numbered(-1), None]


def test_a_reader_that_keeps_up_just_so_loses_nothing() -> None:
    mine = reader()
    for number in range(subscription.QUEUE_LIMIT):
        mine.put(numbered(number))
    assert [mine.get(0) for _ in range(subscription.QUEUE_LIMIT)][-1] == numbered(subscription.QUEUE_LIMIT - 1)


def test_lagging_before_the_first_read_does_not_count() -> None:
    mine = reader()
    mine.put(Lagged())
    mine.start()
    mine.put(numbered(1))
    assert mine.get(0) == numbered(1)


def test_a_closed_reader_hears_nothing_else() -> None:
    mine = reader()
    mine.put(numbered(1))
    mine.put(Closed())
    assert [mine.get(0), mine.get(10)] == [Closed(), Closed()]


def test_getting_waits_as_long_as_it_was_told_but_not_past_an_arrival() -> None:
    mine, began = reader(), time.monotonic()
    assert mine.get(0.05) is None
    assert 0.04 < time.monotonic() - began < 5
    threading.Timer(0.05, mine.put, [numbered(1)]).start()
    assert mine.get(30) == numbered(1)
    assert time.monotonic() - began < 20


def taken(mine: Subscription, last: int) -> list[Item | None]:
    """All that comes up to the item numbered `last`, or to the word that it was lost."""
    items: list[Item | None] = []
    while (item := mine.get(1)) is not None:
        items.append(item)
        if item == numbered(last):
            break
    return items


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("restless")
def test_no_item_is_missed_without_being_told_however_putting_and_getting_race() -> None:
    seen = 0
    for seed in range(20):  # where the machine lets the writer run ahead, a race shows little
        items = raced(seed, last=20_000)
        untold = [
            (before, item)
            for before, item in pairwise(items)
            if isinstance(before, Event) and isinstance(item, Event) and item != numbered(before.fields["number"] + 1)
        ]
        assert untold == []
        assert items[-1] in (numbered(20_000), Lagged())
        seen += sum(isinstance(item, Event) for item in items)
        if seen > 50:
            return
    pytest.fail("the race shows nothing")


def raced(seed: int, last: int) -> list[Item | None]:
    """What a reader gets while another thread puts numbers, and now and then that something was missed."""
    mine, chance = reader(), random.Random(seed)
    lags = {chance.randrange(last) for _ in range(400)}

    def put() -> None:
        for number in range(last + 1):
            if number in lags:
                mine.put(Lagged())
            mine.put(numbered(number))

    writer = threading.Thread(target=put)
    writer.start()
    items = taken(mine, last)
    writer.join(10)
    return items
