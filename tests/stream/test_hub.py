from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from redis import Connection, Redis

from app import redis_client
from app.config import Settings
from app.ids import new_id
from app.stream import log, subscription
from app.stream.events import Event
from app.stream.hub import Hub
from app.stream.log import Keys
from app.stream.subscription import Closed, Interest, Lagged, Look, Subscription
from tests.stream.conftest import delta
from tests.support.own_valkey import OwnValkey
from tests.support.stack import until

REPLY = "11111111-1111-7111-8111-111111111111"


@dataclass(frozen=True)
class Found:
    """What the look of that number found; it concerns all but the readers with key 9."""

    number: int = 0

    def concerns(self, interest: Interest) -> bool:
        return interest.credential != "key:9"


Looking = Callable[[set[Interest], bool], Found]


@contextmanager
def running_hub(
    client: Redis, settings: Settings, look: Looking = lambda interests, degraded: Found()
) -> Iterator[Hub]:
    hub = Hub(Flask("reading"), settings, client, look)
    yield hub
    hub.close()


@pytest.fixture
def hub(client: Redis, settings: Settings) -> Iterator[Hub]:
    """A hub that seldom looks at the database, so that what is heard came through Redis."""
    with running_hub(client, settings.model_copy(update={"recheck_seconds": 10})) as made:
        yield made


def heard(reader: Subscription, seconds: float = 10) -> Event | Lagged | Closed | None:
    """The next item that is no look."""
    while isinstance(item := reader.get(seconds), Look):
        pass
    return item


def following(hub: Hub, thread_id: str, name: str = "key:1") -> Any:
    return hub.subscribe(Interest(thread_id, name))


@contextmanager
def connected(hub: Hub) -> Iterator[None]:
    """A hub whose connection is up: somebody reads another thread."""
    with following(hub, str(new_id())):
        until(lambda: hub.connected, what="the connection")
        yield


def say(client: Redis, settings: Settings, thread_id: str, text: str) -> None:
    log.append(client, settings, [delta(thread_id, REPLY, text)])


def channels(client: Redis) -> set[str]:
    return set(client.pubsub_channels("thread:*"))


def test_every_reader_hears_what_is_said_after_it_subscribed_in_order(
    hub: Hub, client: Redis, settings: Settings, thread_id: str
) -> None:
    with connected(hub), ExitStack() as stack:
        readers = [stack.enter_context(following(hub, thread_id, f"key:{n}")) for n in range(50)]
        elsewhere = stack.enter_context(following(hub, str(new_id())))
        for number in range(20):
            say(client, settings, thread_id, str(number))
        for reader in readers:
            texts = [item.fields["text"] for _ in range(20) if isinstance(item := heard(reader), Event)]
            assert texts == [str(number) for number in range(20)]
        assert elsewhere.get(0) is None
        assert client.pubsub_numsub(Keys(thread_id).channel) == [(Keys(thread_id).channel, 1)]


def test_a_subscription_misses_nothing_or_says_that_it_lagged_from_its_very_first_moment(
    client: Redis, settings: Settings
) -> None:
    for _ in range(10):  # a hub of its own each time: it connects while the first event is said
        with running_hub(client, settings) as hub:
            thread_id = str(new_id())
            with following(hub, thread_id) as reader:
                say(client, settings, thread_id, "x")
                assert isinstance(heard(reader), Event | Lagged)


def test_readers_that_come_and_go_miss_nothing_and_leave_no_subscription(
    hub: Hub, client: Redis, settings: Settings
) -> None:
    threads = [str(new_id()) for _ in range(3)]

    def come_and_go(number: int) -> list[str]:
        missed = []
        for turn in range(12):
            thread_id, text = threads[(number + turn) % 3], f"{number}/{turn}"
            with following(hub, thread_id, f"key:{number}") as reader:
                say(client, settings, thread_id, text)
                while (item := heard(reader, 5)) is not None:
                    if isinstance(item, Lagged) or (isinstance(item, Event) and item.fields["text"] == text):
                        break
                if item is None:
                    missed.append(text)
        return missed

    with connected(hub), ThreadPoolExecutor(8) as pool:
        assert [missed for mine in pool.map(come_and_go, range(8)) for missed in mine] == []
        until(lambda: len(channels(client)) == 1, what="the end of all other subscriptions")
    assert hub.readers == 0
    until(lambda: channels(client) == set(), what="the end of the last subscription")


def test_a_slow_reader_is_told_that_it_lagged_and_holds_up_nobody(
    hub: Hub, client: Redis, settings: Settings, thread_id: str
) -> None:
    count = subscription.QUEUE_LIMIT + 200
    with connected(hub), following(hub, thread_id) as slow, following(hub, thread_id, "key:2") as quick:
        for batch in range(0, count, 200):
            log.append(client, settings, [delta(thread_id, REPLY, str(n)) for n in range(batch, batch + 200)])
            texts = [item.fields["text"] for _ in range(200) if isinstance(item := heard(quick), Event)]
            assert texts == [str(number) for number in range(batch, batch + 200)]
        assert heard(slow) == Lagged()


def test_readers_re_read_after_every_cut_of_the_subscription(
    hub: Hub, client: Redis, settings: Settings, thread_id: str
) -> None:
    with connected(hub), following(hub, thread_id) as reader:
        for turn in range(3):
            client.client_kill_filter(_type="pubsub")
            say(client, settings, thread_id, f"while cut {turn}")
            until(lambda: reader.get(0.1) == Lagged(), what="being told")
            until(lambda: hub.connected, what="the connection")
            say(client, settings, thread_id, f"after {turn}")
            until(lambda t=turn: _text(reader) == f"after {t}", what="the next event")


def test_its_connections_are_nobody_else_s(hub: Hub, client: Redis, thread_id: str) -> None:
    had: list[Connection] = []
    with connected(hub), following(hub, thread_id) as reader:
        for _ in range(3):
            assert hub._pubsub is not None
            assert hub._pubsub.connection is not None
            had.append(hub._pubsub.connection)
            client.client_kill_filter(_type="pubsub")
            until(lambda: reader.get(0.1) == Lagged(), what="being told")
            until(lambda: hub.connected, what="the connection")
    others = [client.connection_pool.get_connection() for _ in range(5)]
    assert not {id(one) for one in had} & {id(one) for one in others}
    for one in others:
        client.connection_pool.release(one)


def _text(reader: Subscription) -> str | None:
    item = reader.get(0.1)
    return item.fields["text"] if isinstance(item, Event) else None


def test_what_others_write_on_our_channels_disturbs_no_reader(
    hub: Hub, client: Redis, settings: Settings, thread_id: str
) -> None:
    with connected(hub), following(hub, thread_id) as reader:
        for garbage in ("", "{", "[]", "null", "7", '{"cursor":"1-0"}', '{"type":"x"}', "\x00", '{"cursor":1}'):
            client.publish(Keys(thread_id).channel, garbage)
            client.publish("holdfast:readers", garbage)
        say(client, settings, thread_id, "ours")
        assert _text(reader) == "ours"


def test_a_frozen_redis_is_noticed_and_a_recovered_one_is_heard_again(
    own_valkey: OwnValkey, settings: Settings, thread_id: str
) -> None:
    looks: list[bool] = []

    def look(_: set[Interest], degraded: bool) -> Found:
        looks.append(degraded)
        return Found()

    with (
        redis_client.connected(own_valkey.redis_url, 0.3) as client,
        running_hub(client, settings, look) as hub,
        following(hub, thread_id) as reader,
    ):
        until(lambda: hub.connected and False in looks, what="the connection")
        own_valkey.freeze()
        until(lambda: not hub.connected, 8, "noticing the silence")
        until(lambda: looks[-1], what="a look that says so")
        own_valkey.thaw()
        until(lambda: hub.connected, what="the connection")
        until(lambda: heard(reader, 0.1) == Lagged(), what="being told to re-read")
        say(client, settings, thread_id, "back")
        until(lambda: _text(reader) == "back", what="the next event")


def test_a_hub_starts_without_redis_and_finds_it_later(
    own_valkey: OwnValkey, settings: Settings, thread_id: str
) -> None:
    own_valkey.lose()
    with (
        redis_client.connected(own_valkey.redis_url, 0.3) as client,
        running_hub(client, settings) as hub,
        following(hub, thread_id) as reader,
    ):
        assert not hub.connected
        own_valkey.start_valkey()
        until(lambda: heard(reader, 0.1) == Lagged(), what="being told to re-read")
        say(client, settings, thread_id, "found")
        until(lambda: _text(reader) == "found", what="the next event")


def test_closing_ends_every_stream_and_those_that_come_too_late(hub: Hub, thread_id: str) -> None:
    with following(hub, thread_id) as first, following(hub, str(new_id())) as second:
        hub.close()
        assert [heard(first), heard(second)] == [Closed(), Closed()]
    with following(hub, thread_id) as late:
        assert heard(late) == Closed()


def test_one_look_serves_all_readers_it_concerns_and_a_failed_one_is_followed_by_the_next(
    client: Redis, settings: Settings, thread_id: str
) -> None:
    asked: list[set[Interest]] = []

    def look(interests: set[Interest], degraded: bool) -> Found:
        asked.append(interests)
        if len(asked) == 1:
            raise RuntimeError("a look that fails")
        return Found(len(asked))

    with (
        running_hub(client, settings, look) as hub,
        following(hub, thread_id) as one,
        following(hub, thread_id, "key:9") as idle,
    ):
        until(lambda: len(asked) > 2 and next_look(one), what="a second look")
        with following(hub, thread_id, "session:2") as other:
            found = until(lambda: next_look(other), what="a look")
            until(lambda: next_look(one) == found, what="the same look")
            told = asked[found.seen.number - 1]
            assert told == {Interest(thread_id, name) for name in ("key:1", "key:9", "session:2")}
        while (item := idle.get(0)) is not None:
            assert not isinstance(item, Look)


def test_nothing_is_looked_up_for_readers_who_have_left(client: Redis, settings: Settings, thread_id: str) -> None:
    asked: list[set[Interest]] = []

    def look(interests: set[Interest], degraded: bool) -> Found:
        asked.append(interests)
        return Found(len(asked))

    often = settings.model_copy(update={"recheck_seconds": 0.2})
    with running_hub(client, often, look) as hub:
        with following(hub, thread_id) as one:
            until(lambda: next_look(one), what="a look")
        with following(hub, thread_id, "key:2") as other:
            known = len(asked)
            until(lambda: next_look(other), what="a look")
        told = len(asked)
        with connected(hub):
            until(lambda: len(asked) > told, what="a look for somebody else")
    assert all(Interest(thread_id, "key:1") not in interests for interests in asked[known:])


def next_look(reader: Subscription) -> Look | None:
    item = reader.get(1)
    return item if isinstance(item, Look) else None
