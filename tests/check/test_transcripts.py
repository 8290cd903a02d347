"""What clients wrote down, against rows and logs: G2, G3, G4, G5 and G10."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from app.clock import now
from app.extensions import redis
from app.models import Status
from app.stream.events import END_CURSOR, Event
from tests.chat.acting import Acting
from tests.check.reading import Reading, reading
from tests.check.story import FIRST, SECOND, Story, Transcript, cancel, delta, reset, set_attempt, set_message
from tests.support import rows

__all__ = ["reading"]  # a fixture


def test_clients_that_saw_everything_as_it_was(reading: Reading) -> None:
    story = reading.story
    for via in ("sse", "pubsub"):
        reading.thread(via).saw(*story.events()).ends(**{str(story.first.reply_id): FIRST})
    reading.reply(story.first, "polling").write(polled=story.message(story.first))
    reading.thread("post")
    report = reading.check()
    assert (report.code, report.violated) == (0, set()), report.stdout
    assert "3 transcripts" in report.about("G5")[0]
    assert "3 ends that clients saw" in report.about("G2")[0]
    assert "without" not in report.about("G10")[0]


def test_a_client_that_was_cut_and_resumed_at_every_event(reading: Reading) -> None:
    one = reading.thread()
    for event in reading.story.events():
        one.write(note="connected").saw(event).write(note="cut: ReadError")
    assert reading.check().violated == set()


def test_a_client_that_was_killed(reading: Reading) -> None:
    one = reading.thread().saw(*reading.story.events()[:5])
    with one.path.open("a") as file:
        file.write('{"time": 1.0, "cur')
    (reading.folder / "never-began.jsonl").touch()
    assert reading.check().violated == set()


def test_an_end_that_reached_a_client_otherwise_than_it_is_stored(reading: Reading) -> None:
    reading.thread().saw(*reading.story.events())
    set_message(reading.story.second, content="Thrice")
    redis().flushdb()
    report = reading.check()
    assert report.code == 1
    assert report.says("G2", f"{reading.story.second.reply_id}: had another text (5 instead of 6 code points)")


def test_an_end_that_clients_saw_of_a_reply_that_still_runs(reading: Reading) -> None:
    reading.thread().saw(*reading.story.events())
    rows.set_job(reading.story.second.job_id, status=Status.PENDING, finished_at=None)
    assert reading.check().says("G2", "is pending, but sse-0.jsonl:")


def test_two_clients_that_saw_different_ends(reading: Reading) -> None:
    story = reading.story
    reading.reply(story.second).saw(*story.events(story.second))
    reading.reply(story.second, "polling").write(polled=story.message(story.second) | {"finish_reason": "length"})
    assert reading.check().says(
        "G2", "to clients it had finish_reason stop, has length (polling-1.jsonl:2, sse-0.jsonl:"
    )


def test_events_after_the_end_on_the_same_connection(reading: Reading) -> None:
    story = reading.story
    reading.reply(story.second).saw(*story.events(story.second), reset(story.second, "Twice"))
    assert reading.check().says("G2", "message.reset after its end (sse-0.jsonl:")


def test_a_polled_reply_that_runs_again_after_its_end(reading: Reading) -> None:
    ended = reading.story.message(reading.story.second)
    one = reading.reply(reading.story.second, "polling")
    one.write(polled=ended).write(polled=ended | {"status": "processing", "attempt": 0})
    report = reading.check()
    assert report.says("G2", "is processing after its end")
    assert report.says("G3", "attempt 0 was polled after attempt 1")


def test_an_end_by_the_database_may_be_followed_by_the_logs_after_a_reconnect(reading: Reading) -> None:
    story = reading.story
    *before, last = story.events(story.second)
    one = reading.thread().write(note="connected").saw(before[0]).saw(last, cursor=END_CURSOR)
    one.write(note="cut: ReadError").write(note="connected").saw(*before[1:], last)
    assert reading.check().violated == set()
    reading.thread().write(note="connected").saw(before[0]).saw(last, cursor=END_CURSOR).saw(*before[1:])
    assert reading.check().violated == {"G2"}


def test_an_attempt_that_a_client_saw_after_the_next_one(reading: Reading) -> None:
    story = reading.story
    reading.reply(story.first).saw(reset(story.first, "Once ", 2), delta(story.first, 5, "before", 1))
    assert reading.check().says("G3", "attempt 1 after attempt 2")


def test_an_attempt_that_never_was(reading: Reading) -> None:
    reading.reply(reading.story.first).saw(reset(reading.story.first, "Once ", 7))
    assert reading.check().says("G3", "saw attempt 7 of 2")


def prefix_of_nothing(story: Story) -> list[Event]:
    return [reset(story.first, "Once bef0re", 1)]


def mixed_attempts(story: Story) -> list[Event]:
    return [reset(story.first, "Once before", 1), delta(story.first, 11, "upon", 2)]


def rewritten(story: Story) -> list[Event]:
    return [reset(story.first, "Once ", 2), delta(story.first, 3, "E upon", 2)]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (prefix_of_nothing, "sse-0 had 11 code points that attempt 1 never wrote"),
        (mixed_attempts, "attempt 2 begins without a reset"),
        (rewritten, "other text came for what was there at offset 3"),
        (lambda story: [reset(story.second, "Twice and more"), story.events(story.second)[-1]], "14 code points that"),
        (lambda story: [reset(story.third, "Nevermore"), story.events(story.third)[-1]], "9 code points that"),
    ],
)
def test_text_that_was_never_written(reading: Reading, seen: Callable[[Story], list[Event]], said: str) -> None:
    reading.thread().saw(*seen(reading.story))
    assert reading.check().says("G4", said)


def test_text_that_was_polled_though_never_written(reading: Reading) -> None:
    half = reading.story.message(reading.story.first) | {"status": "processing", "content": "Twice up"}
    reading.reply(reading.story.first, "polling").write(polled=half)
    assert reading.check().says("G4", "polling-0 had 8 code points that attempt 2 never wrote")


def test_text_of_an_attempt_of_which_nothing_is_known(reading: Reading) -> None:
    redis().flushdb()
    reading.thread().saw(reset(reading.story.first, "Something lost", 1))
    assert reading.check().violated == set()


def test_a_try_that_was_taken_back(reading: Reading) -> None:
    acting = Acting(reading.story.user_id).begin().say("A first try")
    acting.writer.reset("")
    acting.say("Another").end()
    log_of = replace(reading.story, thread_id=acting.thread_id)
    one = Transcript(reading.folder, reading.story.user_id, id_=acting.thread_id)
    one.saw(*log_of.events())
    half = Transcript(reading.folder, reading.story.user_id, scope="message", id_=acting.reply_id)
    half.saw(reset(acting, "A first t"))
    assert reading.check().violated == set()
    half.saw(reset(acting, "A second"))
    assert reading.check().violated == {"G4"}


def test_a_client_may_have_less_than_is_stored_when_the_end_comes(reading: Reading) -> None:
    story = reading.story
    reading.reply(story.second).saw(reset(story.second, "Tw"), story.events(story.second)[-1])
    assert reading.check().violated == set()


def test_a_reaper_may_store_less_than_a_client_saw(reading: Reading) -> None:
    story = reading.story
    with_less = Acting(story.user_id).begin().say("Ab")
    cancel(with_less)
    thread = replace(story, thread_id=with_less.thread_id)
    one = Transcript(reading.folder, story.user_id, scope="message", id_=with_less.reply_id)
    one.saw(reset(with_less, "Abc"), thread.events(with_less)[-1])
    assert reading.check().violated == {"G4"}
    set_attempt(with_less, 1, outcome="crashed")
    rows.set_job(with_less.job_id, crashes=1)
    assert reading.check().violated == set()


def test_a_client_that_ended_without_the_stored_text(reading: Reading) -> None:
    story = reading.story
    reading.reply(story.second).saw(*story.events(story.second)).ends(**{str(story.second.reply_id): "Tw"})
    assert reading.check().says("G4", "the client's text is not what its events come to")
    known = reading.reply(story.second, "polling")
    known.write(
        end={"texts": {str(story.second.reply_id): "Tw"}, "statuses": {str(story.second.reply_id): "completed"}}
    )
    assert reading.check().says("G4", "a client ended with 2 code points, 5 are stored")


def test_a_client_that_left_before_the_end_has_a_prefix(reading: Reading) -> None:
    second = str(reading.story.second.reply_id)
    reading.reply(reading.story.second).write(end={"texts": {second: "Tw"}, "statuses": {second: "processing"}})
    assert reading.check().violated == set()
    rows.set_job(reading.story.second.job_id, finished_at=now(-600), started_at=now(-601))
    assert "G4" in reading.check().violated  # it could have known
    rows.set_job(reading.story.second.job_id, finished_at=now(), started_at=now(-1))
    reading.reply(reading.story.second).write(end={"texts": {second: "Xx"}, "statuses": {second: "processing"}})
    assert "G4" in reading.check().violated


def test_a_client_that_ended_with_another_status(reading: Reading) -> None:
    second = str(reading.story.second.reply_id)
    reading.reply(reading.story.second).write(end={"texts": {second: SECOND}, "statuses": {second: "failed"}})
    assert reading.check().says("G2", "is completed, was failed")


def test_a_thread_that_was_shown_to_somebody_else(reading: Reading) -> None:
    story, stranger = reading.story, rows.a_user()
    reading.thread(user_id=stranger).saw(*story.events())
    report = reading.check()
    assert report.says("G10", f"is {story.user_id}'s, but was shown to {stranger}")
    assert report.says("G10", f"is shown to {stranger}")


def test_an_event_of_another_thread_or_reply_than_was_asked_for(reading: Reading) -> None:
    story = reading.story
    reading.reply(story.second).saw(*story.events(story.first))
    assert reading.check().says("G10", f"came on the stream of message {story.second.reply_id}")
    other = Acting(story.user_id).begin().say("Elsewhere")
    reading.thread().saw(*replace(story, thread_id=other.thread_id).events())
    assert reading.check().says("G10", f"came on the stream of thread {story.thread_id}")


def test_a_message_in_the_wrong_thread(reading: Reading) -> None:
    story = reading.story
    other = rows.a_thread(story.user_id)
    Transcript(reading.folder, story.user_id, id_=other).saw(
        replace(reset(story.first, "Once ", 2), thread_id=str(other), encoded="")
    )
    assert reading.check().says("G10", f"was shown as part of {other}")


def test_a_message_that_is_nowhere(reading: Reading) -> None:
    story = reading.story
    lost = replace(reset(story.first, "Once "), message_id=str(rows.a_thread()), encoded="")
    reading.thread().saw(lost)
    assert reading.check().says("G1", "was shown to a client, but is not stored")


def test_the_folder_is_read_while_replies_are_being_written(reading: Reading) -> None:
    acting = Acting(reading.story.user_id, reading.story.thread_id).begin().say("All ", "is ")
    one = reading.thread().saw(*reading.story.events(acting))
    assert reading.check("--faults-ended", time.time()).violated == set()
    acting.say("well").end()
    one.saw(*reading.story.events(acting)[-2:])
    assert reading.check("--faults-ended", time.time()).violated == set()


@pytest.mark.parametrize("is_told", [True, False])
def test_text_that_was_polled_before_it_was_taken_back_stands_in_the_log(reading: Reading, is_told: bool) -> None:
    story, ended = reading.story, reading.story.message(reading.story.second)
    if is_told:
        begun, *rest = story.events(story.second)
        taken_back = [delta(story.second, 0, "A mistake"), reset(story.second, "")]
        story.rewrite([*story.events(story.first), begun, *taken_back, *rest, *story.events(story.third)])
    mistaken = ended | {"status": "processing", "content": "A mis"}
    reading.reply(story.second, "polling").write(polled=mistaken).write(polled=ended)
    assert reading.check().says("G4", "polling-0 had 5 code points that attempt 1 never wrote") is not is_told
