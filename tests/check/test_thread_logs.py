"""What the threads' logs on Redis tell of G2, G3, G4 and G5."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from sqlalchemy import delete

from app.database import transaction
from app.extensions import redis
from app.models import Job, Message, Status, Thread
from app.stream import events, log
from app.stream.events import Event
from app.stream.log import Keys
from tests.chat.acting import Acting
from tests.check.conftest import Check, MakeApp
from tests.check.story import Story, delta, reset, set_message
from tests.support import rows


def changed(event: Event, **message: Any) -> Event:
    """A last event whose message says something else."""
    return replace(event, fields={"message": event.fields["message"] | message}, encoded="")


def test_a_terminal_reply_that_changed_afterwards(check: Check, story: Story) -> None:
    set_message(story.first, content="Changed")
    set_message(story.second, finish_reason="length")
    rows.set_job(story.third.job_id, status=Status.FAILED)
    report = check()
    assert report.code == 1
    assert report.says("G2", f"{story.first.reply_id}: by its log it had another text (16 instead of 7 code points)")
    assert report.says("G2", f"{story.second.reply_id}: by its log it had finish_reason stop, has length")
    assert report.says("G2", f"{story.third.reply_id}: by its log it was cancelled, is failed")


def test_a_reply_that_ended_by_its_log_alone(check: Check, story: Story) -> None:
    rows.set_job(story.first.job_id, status=Status.PENDING, finished_at=None)
    assert check().says("G2", "its log says completed, its row pending")


def test_an_event_after_the_end_and_a_second_end(check: Check, story: Story) -> None:
    whole = story.events()
    again = changed(story.events(story.second)[-1], content="Other").at(None)
    story.rewrite([*whole, delta(story.first, 16, " more", 2), again])
    report = check()
    assert report.says("G2", f"{story.first.reply_id}: message.delta after its end")
    assert report.says("G2", f"{story.second.reply_id}: message.completed after its end")


def test_a_last_event_that_contradicts_its_message(check: Check, story: Story) -> None:
    *before, last = story.events(story.third)
    story.rewrite([*before, replace(changed(last, status="completed"), type=events.FAILED)])
    assert check().says("G2", "message.failed carries a message that is completed")


def test_an_older_attempt_that_still_writes(check: Check, story: Story) -> None:
    whole = story.events(story.first)
    story.rewrite([*whole[:-1], delta(story.first, 4, "late", 1)])
    assert check().says("G3", "attempt 1 after attempt 2, at ")


def test_a_log_that_is_ahead_of_its_row(check: Check, story: Story) -> None:
    ahead = Acting(story.user_id).begin()
    entries = [replace(event, attempt=3, encoded="") for event in story.events(story.first)[:-1]]
    story.rewrite([*entries, delta(ahead, 0, "x", 2)])
    report = check()
    assert report.says("G3", "its log has attempt 3, its row 2")
    assert report.says("G3", "its log has attempt 2, its row 1")


def test_a_log_whose_text_is_not_the_stored_one(check: Check, story: Story) -> None:
    *before, last = story.events(story.second)
    kept = [event for event in before if event.type != events.DELTA]
    story.rewrite([*kept, delta(story.second, 0, "Thrice"), last])
    assert check().says("G4", "its log's 6 code points are not the beginning of the 5 stored ones")


def test_a_log_that_lacks_the_texts_end_which_after_faults_may_be(check: Check, story: Story) -> None:
    *before, last = story.events(story.second)
    kept = [event for event in before if event.type != events.DELTA]
    story.rewrite([*kept, delta(story.second, 0, "Tw"), last])
    assert check().violated == set()
    assert check("--faults-ended", time.time() - 100).says("G4", "its log has only 2 of its 5 code points")


def test_an_attempt_that_goes_on_where_the_last_one_stopped(check: Check, story: Story) -> None:
    whole = story.events(story.first)
    story.rewrite([event for event in whole if event.type != events.RESET])
    assert check().says("G4", "attempt 2 begins without a reset")


def test_text_that_is_rewritten_by_a_delta(check: Check, story: Story) -> None:
    *before, last = story.events(story.second)
    story.rewrite([*before, delta(story.second, 2, "xx"), last])
    assert check().says("G4", "other text came for what was there at offset 2")


def test_a_gap_that_a_reset_heals_and_one_that_nothing_heals(check: Check, story: Story) -> None:
    *before, last = story.events(story.second)
    begun = [event for event in before if event.type != events.DELTA]
    gap = delta(story.second, 3, "ce")
    story.rewrite([*begun, delta(story.second, 0, "T"), gap, reset(story.second, "Twice"), last])
    assert check().violated == set()
    story.rewrite([*begun, delta(story.second, 0, "T"), gap, last])
    assert check().says("G5", "a gap was not healed before the end")


def test_a_delta_that_comes_twice_does_no_harm(check: Check, story: Story) -> None:
    *before, last = story.events(story.second)
    story.rewrite([*before, before[-1].at(None), last])
    assert check().violated == set()


def test_offsets_count_code_points(check: Check, story: Story) -> None:
    acting = Acting(story.user_id).begin().say("🦊", "é\u0301", "👩‍🚀", "!")
    acting.end()
    assert check("--faults-ended", time.time() - 100).violated == set()
    entries = log.read_tail(redis(), str(acting.thread_id))
    utf16 = [
        replace(event, fields=event.fields | {"offset": event.fields["offset"] + 1}, encoded="")
        if event.type == events.DELTA and event.fields["offset"]
        else event
        for event in entries
    ]
    redis().delete(Keys(str(acting.thread_id)).log)
    story.rewrite(utf16)
    assert check().says("G5", "a gap was not healed before the end")


def test_a_reset_with_a_wrong_offset(check: Check, story: Story) -> None:
    *before, last = story.events(story.second)
    wrong = replace(reset(story.second, "Twice"), fields={"offset": 4, "text": "Twice"})
    story.rewrite([*before, wrong, last])
    assert check().says("G5", "a reset to 5 code points says its offset is 4")


def test_a_row_that_names_another_cursor_than_its_last_event_has(check: Check, story: Story) -> None:
    set_message(story.second, terminal_cursor="1-1")
    assert check().says("G5", "its row says 1-1")


def test_an_entry_that_is_no_event(check: Check, story: Story) -> None:
    key = Keys(str(story.thread_id)).log
    redis().xadd(key, {"e": "no JSON"})
    redis().xadd(key, {"other": "field"})
    redis().xadd(key, {"e": '{"type":"message.delta","thread_id":"x","message_id":"y","attempt":1}'})
    assert check().says("G5", "is no event")


def test_a_reply_that_only_the_log_has(check: Check, story: Story) -> None:
    with transaction() as session:
        session.execute(delete(Message).where(Message.id == story.third.reply_id))
        session.execute(delete(Job).where(Job.id == story.third.job_id))
    assert check().says("G1", "stands in its thread's log, but is not stored")


def test_the_log_of_a_thread_that_was_removed_is_left_to_expire(check: Check, story: Story) -> None:
    with transaction() as session:
        session.execute(delete(Thread).where(Thread.id == story.thread_id))
        session.execute(delete(Job))
    assert check().violated == set()


def test_a_log_that_was_trimmed_or_lost_breaks_no_promise(check: Check, story: Story) -> None:
    whole = story.events()
    for kept in range(len(whole), 0, -1):
        story.rewrite(whole[-kept:])
        assert check().violated == set(), whole[-kept:]
    redis().flushdb()
    assert check().violated == set()


def test_while_a_reply_is_written_nothing_is_wrong(check: Check, story: Story) -> None:
    acting = Acting(story.user_id, story.thread_id).begin()
    for word in ("All ", "is ", "well"):
        acting.say(word)
        assert check().violated == set()
    acting.crash().say("Again")
    assert check().violated == set()


def test_without_redis_the_logs_are_not_observable(check: Check, story: Story, make_app: MakeApp) -> None:
    away = make_app(redis_url="redis://127.0.0.1:1/0")
    with away.app_context():
        report = check(on=away)
    assert (report.code, report.violated) == (0, set())
    assert [report.outcome(name) for name in ("G2", "G5", "G12")] == ["not observable"] * 3
    assert "Redis, which does not answer" in report.about("G2")[0]
    assert report.outcome("G4") == "held", "the scores of ended replies stand in the database"
    assert "without --transcripts, Redis, which does not answer" in report.about("G4")[0]
    assert report.outcome("G3") == "held"
