from __future__ import annotations

import json

import pytest
from redis import Redis
from redis.crc import key_slot

from app.config import Settings
from app.ids import new_id
from app.stream import events, log
from app.stream.events import Event, decode
from app.stream.log import Keys, Refused
from tests.stream.conftest import delta, end
from tests.support.stack import until

REPLY, OTHER = "11111111-1111-7111-8111-111111111111", "22222222-2222-7222-8222-222222222222"


def append(client: Redis, settings: Settings, *to_append: Event) -> list[bool]:
    """Which of the events got in."""
    return [isinstance(outcome, str) for outcome in log.append(client, settings, to_append)]


def test_an_entry_is_kept_and_published_as_the_same_event(client: Redis, settings: Settings, thread_id: str) -> None:
    event = delta(thread_id, REPLY, 'naïve "quotes", \n and 🎈')
    with client.pubsub(ignore_subscribe_messages=True) as listening:
        listening.subscribe(Keys(thread_id).channel)
        listening.get_message(timeout=2)
        [cursor] = log.append(client, settings, [event])
        published = listening.get_message(timeout=2)
    [kept] = log.read_tail(client, thread_id)
    assert published is not None
    assert published["data"].startswith(f'{{"cursor":"{cursor}",')
    assert decode(published["data"]) == kept == event.at(str(cursor))
    assert json.loads(kept.json()) == json.loads(event.json())


def test_an_older_attempt_is_refused_and_a_newer_one_takes_over(
    client: Redis, settings: Settings, thread_id: str
) -> None:
    tried = [delta(thread_id, REPLY, "x", attempt) for attempt in (2, 1, 2, 10, 9, 10)]
    assert append(client, settings, *tried) == [True, False, True, True, False, True]
    assert [event.attempt for event in log.read_tail(client, thread_id)] == [2, 2, 10, 10]


def test_nothing_of_a_reply_gets_in_after_its_end_not_even_another_end(
    client: Redis, settings: Settings, thread_id: str
) -> None:
    tried = [end(thread_id, REPLY), end(thread_id, REPLY), delta(thread_id, REPLY, "x"), end(thread_id, REPLY, 2)]
    assert append(client, settings, *tried) == [True, False, False, False]


def test_the_end_of_one_reply_closes_neither_another_nor_the_thread(
    client: Redis, settings: Settings, thread_id: str
) -> None:
    updated = Event(events.THREAD_UPDATED, thread_id, fields={"thread": {}})
    tried = [end(thread_id, REPLY), delta(thread_id, OTHER, "x"), updated, updated]
    assert append(client, settings, *tried) == [True] * 4


def test_a_refusal_says_so_for_exactly_its_event(client: Redis, settings: Settings, thread_id: str) -> None:
    tried = [delta(thread_id, REPLY, "a", 2), delta(thread_id, REPLY, "b", 1), delta(thread_id, OTHER, "c", 1)]
    first, second, third = log.append(client, settings, tried)
    assert isinstance(second, Refused)
    assert [first, third] == [event.cursor for event in log.read_tail(client, thread_id)]


def test_a_long_log_is_trimmed_and_a_cursor_that_went_with_it_is_unknown(
    client: Redis, settings: Settings, thread_id: str
) -> None:
    cursors = log.append(client, settings, [delta(thread_id, REPLY, "x") for _ in range(1_500)])
    kept = client.xlen(Keys(thread_id).log)
    assert settings.log_events <= kept < settings.log_events + 200
    assert log.read(client, thread_id, str(cursors[0])) is None
    assert len(log.read(client, thread_id, str(cursors[-10])) or []) == 9


def test_log_and_fence_expire_together_and_every_entry_prolongs_them(
    client: Redis, settings: Settings, thread_id: str
) -> None:
    keys = Keys(thread_id)
    append(client, settings, delta(thread_id, REPLY, "x"))
    client.expire(keys.log, 5)
    client.expire(keys.fence, 5)
    append(client, settings, delta(thread_id, REPLY, "y"))
    lives = [client.ttl(keys.log), client.ttl(keys.fence)]
    assert lives == [pytest.approx(settings.log_seconds, abs=2)] * 2


def test_all_keys_of_a_thread_lie_on_one_node_of_a_cluster(thread_id: str) -> None:
    keys = Keys(thread_id)
    assert len({key_slot(key.encode()) for key in (keys.channel, keys.log, keys.fence)}) == 1
    assert key_slot(keys.log.encode()) != key_slot(Keys(str(new_id())).log.encode())


def test_one_call_appends_the_events_of_many_threads(client: Redis, settings: Settings) -> None:
    ids = [str(new_id()) for _ in range(300)]
    log.append(client, settings, [delta(ids[0], REPLY, "the script is known now")])
    before = calls(client)
    outcomes = log.append(client, settings, [delta(id_, REPLY, id_) for id_ in ids])
    assert calls(client) - before == 2
    for id_, cursor in zip(ids[1:], outcomes[1:], strict=True):
        [event] = log.read_all(client, id_)
        assert (event.fields["text"], event.cursor) == (id_, cursor)


def calls(client: Redis) -> int:
    """How often the script was called."""
    return int(client.info("commandstats")["cmdstat_evalsha"]["calls"])


def test_events_that_are_being_appended_are_there_before_the_answer_is_read(
    client: Redis, settings: Settings, thread_id: str
) -> None:
    texts = [str(n) for n in range(500)]
    client.script_flush()
    with log.appending(client, settings, [delta(thread_id, REPLY, text) for text in texts], in_order=True) as outcomes:
        until(lambda: client.xlen(Keys(thread_id).log) == len(texts))
    assert outcomes == [event.cursor for event in log.read_all(client, thread_id)]
    assert [event.fields["text"] for event in log.read_all(client, thread_id)] == texts


def test_nothing_to_append_is_nothing_appended(client: Redis, settings: Settings, thread_id: str) -> None:
    with log.appending(client, settings, []) as outcomes:
        assert outcomes == []
    assert log.append(client, settings, []) == log.read_all(client, thread_id) == []


def test_what_follows_a_known_cursor_is_exactly_the_rest(client: Redis, settings: Settings, thread_id: str) -> None:
    cursors = log.append(client, settings, [delta(thread_id, REPLY, str(n)) for n in range(5)])
    for position, cursor in enumerate(cursors):
        rest = log.read(client, thread_id, str(cursor))
        assert rest is not None
        assert [event.fields["text"] for event in rest] == [str(n) for n in range(position + 1, 5)]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "0",
        "0-0",
        "-",
        "+",
        "$",
        "end",
        "garbage",
        "1-1-1",
        "-1-0",
        "1.5-0",
        " 1-0",
        "1-0\n",
        "\u0663-\u0660",  # digits, but not ours
        "1732180000000-0",
        "18446744073709551615-18446744073709551615",
        "99999999999999999999-0",
        "9" * 30 + "-0",
        "1-" + "9" * 20,
        "(1-0",
        "1-0 COUNT 1",
        "\x00",
        "x" * 100_000,
    ],
)
def test_a_cursor_the_log_does_not_hold_is_unknown(
    client: Redis, settings: Settings, thread_id: str, cursor: str
) -> None:
    append(client, settings, delta(thread_id, REPLY, "x"))
    assert log.read(client, thread_id, cursor) is None
    assert log.read(client, str(new_id()), cursor) is None


def test_a_cursor_of_another_thread_or_of_the_future_is_unknown(
    client: Redis, settings: Settings, thread_id: str
) -> None:
    [mine] = log.append(client, settings, [delta(thread_id, REPLY, "x")])
    milliseconds, _, number = str(mine).partition("-")
    other = str(new_id())
    log.append(client, settings, [delta(other, REPLY, "x")])
    assert log.read(client, other, str(mine)) is None or str(mine) == log.read_tail(client, other)[0].cursor
    assert log.read(client, thread_id, f"{int(milliseconds) + 60_000}-0") is None
    assert log.read(client, thread_id, f"{milliseconds}-{int(number) + 1}") is None
    assert log.read(client, thread_id, str(mine)) == []


@pytest.mark.parametrize("loss", ["script_flush", "flushall"])
def test_a_redis_that_forgot_the_script_learns_it_again_and_appends_once(
    client: Redis, settings: Settings, thread_id: str, loss: str
) -> None:
    append(client, settings, delta(thread_id, REPLY, "x", 2))
    getattr(client, loss)()
    client.script_flush()
    kept = client.xlen(Keys(thread_id).log)
    assert append(client, settings, delta(thread_id, REPLY, "y", 2), delta(thread_id, REPLY, "z", 1)) == [True, False]
    assert client.xlen(Keys(thread_id).log) == kept + 1


def test_the_tail_is_the_newest_entries_oldest_first(client: Redis, settings: Settings, thread_id: str) -> None:
    log.append(client, settings, [delta(thread_id, REPLY, str(n)) for n in range(20)])
    tail = log.read_tail(client, thread_id, count=3)
    assert [event.fields["text"] for event in tail] == ["17", "18", "19"]
    assert log.read_tail(client, str(new_id())) == []


def test_a_deleted_log_leaves_nothing_behind(client: Redis, settings: Settings, thread_id: str) -> None:
    append(client, settings, delta(thread_id, REPLY, "x"))
    log.delete(client, thread_id)
    assert client.keys(f"*{thread_id}*") == []


def test_cursors_are_ordered_by_number_not_by_letters() -> None:
    assert log.order("999-5") < log.order("1000-0") < log.order("1000-9") < log.order("1000-10")
