"""The cursors that clients wrote down, and the gaps between them: G5."""

from __future__ import annotations

from app.stream import events
from app.stream.events import Event
from tests.check.reading import Reading, reading
from tests.check.story import SECOND, delta, reset

__all__ = ["reading"]  # a fixture


def test_cursors_that_come_twice_or_backwards(reading: Reading) -> None:
    story = reading.story
    first, second, third, *_ = story.events()
    reading.thread().saw(first, second, second)
    assert reading.check().says("G5", f"cursor {second.cursor} came a second time")
    reading.thread().saw(first, third, second)
    assert reading.check().says("G5", f"cursor {second.cursor} came after {third.cursor}")
    reading.thread().saw(first, cursor="nonsense")
    assert reading.check().says("G5", "nonsense is no cursor")


def test_cursors_grow_over_reconnects_too(reading: Reading) -> None:
    first, second, third, *_ = reading.story.events()
    one = reading.thread().write(note="connected").saw(first, second).write(note="cut: ReadError")
    one.write(note="connected").saw(second, third)
    assert reading.check().says("G5", f"cursor {second.cursor} came a second time")


def test_what_states_the_whole_may_state_a_place_again_but_brings_nothing_back(reading: Reading) -> None:
    story = reading.story
    *before, _ = story.events(story.second)
    whole = reset(story.second, SECOND, cursor=before[-1].cursor)
    one = reading.reply(story.second).write(note="connected").saw(*before).write(note="connected").saw(whole)
    assert reading.check().violated == set()
    one.saw(before[-1])
    assert "came a second time" in "".join(reading.check().about("G5"))


def test_a_gap_that_nothing_heals(reading: Reading) -> None:
    story = reading.story
    gap = [reset(story.second, "T"), delta(story.second, 3, "ce")]
    reading.thread().saw(*gap, reset(story.second, SECOND), story.events(story.second)[-1])
    assert reading.check().violated == set()
    reading.thread("pubsub").saw(*gap, story.events(story.second)[-1])  # it reads the log itself
    assert reading.check().violated == set()
    reading.thread().saw(*gap, story.events(story.second)[-1])
    assert reading.check().says("G5", "a gap was not healed before the end")
    reading.thread().saw(*gap)
    assert reading.check().says("G5", "a gap was never healed (sse-3)")


def test_a_listener_that_reads_what_it_missed_and_joins_what_it_kept(reading: Reading) -> None:
    story = reading.story
    one = reading.reply(story.second, "pubsub").saw(reset(story.second, ""), delta(story.second, 3, "ce"))
    one.write(polled=story.message(story.second) | {"status": "processing", "content": "Twi"})
    one.saw(story.events(story.second)[-1]).ends(**{str(story.second.reply_id): SECOND})
    assert reading.check().violated == set()


def test_a_snapshot_is_where_a_client_begins(reading: Reading) -> None:
    story = reading.story
    half = story.message(story.second) | {"status": "processing", "content": "Twi", "finish_reason": None}
    messages = [story.message(story.first), half]
    shown = {"thread": {"id": str(story.thread_id), "user_id": str(story.user_id)}, "messages": messages}
    snapshot = Event(events.THREAD_SNAPSHOT, str(story.thread_id), fields=shown | {"cursor": "1-1"}, cursor="1-1")
    rest = [delta(story.second, 3, "ce", cursor="1-2"), story.events(story.second)[-1]]
    reading.thread().saw(snapshot, *rest)
    assert reading.check().violated == set()
    reading.thread().saw(snapshot, delta(story.second, 2, "xx", cursor="1-2"))
    assert reading.check().violated == {"G4"}
    reading.thread().saw(story.events(story.second)[-1]).write(note="connected").saw(snapshot)
    assert reading.check().says("G2", "is processing after its end")
