"""What rows alone tell of G1, G3, G8, G9 and G10."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, update

from app.chat import cancelling
from app.clock import now
from app.database import transaction
from app.models import Attempt, Job, Message, Status, Step, WorkerLease
from tests.chat.acting import Acting
from tests.check.conftest import Check
from tests.check.story import Story, set_attempt, set_message
from tests.support import rows


def test_of_a_healthy_installation_everything_is_held(check: Check, story: Story) -> None:
    report = check()
    assert (report.code, report.violated, report.stderr) == (0, set(), "")
    assert report.about("G1")[0].endswith("held            3 replies  (without --transcripts)")
    for name, counted in {
        "G3": "3 replies, 1 logs",
        "G8": "1 cancels",
        "G9": "6 messages",
        "G10": "6 messages",
    }.items():
        assert report.outcome(name) == "held"
        assert counted in report.about(name)[0]
    assert (report.outcome("G6"), report.outcome("G7")) == ("not applicable", "held")
    assert "0 tool calls  (without --tools)" in report.about("G7")[0]


def test_of_an_empty_installation_too(check: Check) -> None:
    report = check()
    assert (report.code, report.violated) == (0, set())
    assert "held            0 replies" in report.stdout


def set_first(**values: Any) -> Callable[[Story], None]:
    return lambda story: rows.set_job(story.first.job_id, **values)


def lose_attempt(story: Story) -> None:
    with transaction() as session:
        session.execute(delete(Attempt).where(Attempt.job_id == story.first.job_id, Attempt.number == 1))


def lose_job(story: Story) -> None:
    set_message(story.second, job_id=None, content="")


def a_job_without_a_message(story: Story) -> None:
    job_id = rows.a_job(story.thread_id)
    with transaction() as session:
        session.execute(delete(Message).where(Message.job_id == job_id))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (set_first(finished_at=None), "is completed but has no finished_at"),
        (set_first(checkpoint="rest"), "is completed but still has a checkpoint"),
        (set_first(wake_at=now()), "is completed but still has a wake_at"),
        (set_first(waits=1), "counts 1 waits for its provider, but 0 of its attempts waited for anything"),
        (set_first(action_expires_at=now()), "is completed but its job has something to expire"),
        (set_first(status=Status.PENDING), "is pending but has a finished_at"),
        (set_first(crashes=2), "counts 2 crashes, but 1 of its attempts crashed"),
        (set_first(attempt=3), "is at attempt 3, but its attempts are [1, 2]"),
        (lose_attempt, "is at attempt 2, but its attempts are [2]"),
        (lambda story: set_attempt(story.first, 1, ended_at=None), "its attempt 1 is crashed"),
        (lambda story: set_attempt(story.first, 2, outcome=None), "its attempt 2 is open"),
        (lambda story: set_attempt(story.first, 2, outcome="waiting"), "is completed, but its last attempt waiting"),
        (lambda story: set_message(story.first, completed_at=None), "is completed but has no completed_at"),
        (lambda story: set_message(story.first, finish_reason=None), "is completed but has no finish_reason"),
        (lambda story: set_message(story.first, finish_reason="cancelled"), "has finish_reason cancelled"),
        (lambda story: set_message(story.first, error={"code": "x"}), "is completed but has an error"),
        (lose_job, "is an empty reply without a job"),
        (a_job_without_a_message, "is a pending job that writes no message"),
    ],
)
def test_rows_that_contradict_each_other(check: Check, story: Story, harm: Callable[[Story], None], said: str) -> None:
    harm(story)
    report = check()
    assert report.code == 1
    assert report.says("G1", said), report.stdout


def late(**values: Any) -> dict[str, Any]:
    """A job that stands before its first claim, for a long time."""
    return {"next_publish_at": now(60)} | values


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (late(deadline_at=now(-70)), "has not ended, its deadline is over"),
        (late(next_publish_at=now(-70)), "is pending and nobody sends its wake-up"),
        (late(status=Status.WAITING, wake_at=now(-70)), "waits and is not woken"),
    ],
)
def test_a_reply_whose_time_is_over_is_late_only_while_a_worker_is_there(
    check: Check, job: dict[str, Any], said: str
) -> None:
    rows.a_job(**job)
    report = check()
    assert (report.code, report.outcome("G1")) == (0, "held")
    assert "1 under way, but no worker is running" in report.about("G1")[0]
    rows.a_lease(created_at=now(-300))
    report = check()
    assert report.code == 1
    assert report.says("G1", said), report.stdout


def test_a_reply_in_time_is_not_late(check: Check) -> None:
    rows.a_lease(created_at=now(-300))
    rows.a_job(deadline_at=now(-50), next_publish_at=now(-50))
    rows.processing(rows.a_lease(), deadline_at=now(10))
    assert check().violated == set()


def test_what_faults_delayed_has_its_time_from_their_end(check: Check) -> None:
    rows.a_job(deadline_at=now(-3600), next_publish_at=now(-3600), created_at=now(-4000))
    assert check("--faults-ended", time.time() - 30).violated == set()
    assert check("--faults-ended", time.time() - 90).violated == {"G1"}


def test_a_ready_reply_that_nobody_claims_though_there_is_room(check: Check) -> None:
    rows.a_lease(created_at=now(-300))
    job_id = rows.a_job(next_publish_at=now(10), publishes=5)
    assert check("--faults-ended", time.time() - 200).violated == set()
    with transaction() as session:
        session.execute(update(Message).where(Message.job_id == job_id).values(created_at=now(-100)))
    assert check().violated == set()
    assert check("--faults-ended", time.time() - 200).says("G1", "is ready and workers have room, but none claims it")


def test_a_job_that_stays_with_a_lapsed_lease(check: Check) -> None:
    rows.a_lease(created_at=now(-300))
    rows.processing(rows.a_lease(-10), deadline_at=now(600))
    assert check().violated == set()
    rows.processing(rows.a_lease(-40), deadline_at=now(600))
    report = check()
    assert report.says("G1", "is held by a worker whose lease has lapsed")
    assert "2 lapsed leases hold jobs" in report.about("G11")[0]


def test_an_end_that_was_never_announced(check: Check, story: Story) -> None:
    rows.set_job(story.second.job_id, announced_at=None)
    assert check().violated == set()
    rows.set_job(story.second.job_id, announced_at=None, finished_at=now(-70), started_at=now(-80))
    assert check().says("G1", "its last event was never sent")


def test_attempts_that_overlap(check: Check, story: Story) -> None:
    set_attempt(story.first, 2, started_at=now(-60))
    assert check().says("G3", "attempt 2 began before attempt 1 had ended")


def test_a_step_of_an_attempt_that_was_over(check: Check, story: Story) -> None:
    with transaction() as session:
        session.execute(insert(Step).values(job_id=story.first.job_id, number=1, attempt=1, kind="model"))
        session.execute(insert(Step).values(job_id=story.second.job_id, number=1, attempt=5, kind="model"))
    report = check()
    assert report.says("G3", "a step of attempt 1 was stored after attempt 2 was claimed")
    assert report.says("G3", "has a step of attempt 5, which it never had")


def test_a_cancel_that_took_too_long(check: Check, story: Story) -> None:
    rows.set_job(story.third.job_id, cancel_requested_at=now(-14))
    assert check().violated == set()
    rows.set_job(story.third.job_id, cancel_requested_at=now(-40))
    assert check().says("G8", "was cancelled and ended")
    assert check("--faults-ended", time.time() - 5).violated == set()
    forget_workers()
    assert check().violated == set()


def forget_workers() -> None:
    with transaction() as session:
        session.execute(update(Job).values(lease_id=None))
        session.execute(delete(WorkerLease))


def test_a_cancel_that_nobody_obeys(check: Check, story: Story) -> None:
    rows.a_job(cancel_requested_at=now(-20), next_publish_at=now(60))
    assert check().says("G8", "was cancelled and has not ended")


def test_a_cancel_that_came_too_late_and_one_that_was_ignored(check: Check, story: Story) -> None:
    rows.set_job(story.first.job_id, cancel_requested_at=now(5))
    rows.set_job(story.second.job_id, cancel_requested_at=now(-10))
    report = check()
    assert report.says("G8", "was cancelled after it had ended")
    assert report.says("G8", "was cancelled, but is completed")


def test_a_reply_may_complete_while_its_cancel_is_on_its_way(check: Check, story: Story) -> None:
    rows.set_job(story.second.job_id, cancel_requested_at=now(-3))
    assert check().violated == set()


def test_a_reply_that_is_cancelled_by_nobody(check: Check, story: Story) -> None:
    rows.set_job(story.third.job_id, cancel_requested_at=None)
    assert check().says("G8", "is cancelled, but nobody asked for it")


def test_two_replies_of_a_branch_at_once(check: Check, story: Story) -> None:
    rows.set_job(story.second.job_id, started_at=now(-60))
    assert check().says("G9", "began although the reply before it ended")


def test_a_reply_that_began_before_the_job_it_waits_for_had_ended(check: Check, user: UUID) -> None:
    before = Acting(user).begin()
    after = Acting(user, before.thread_id)
    rows.set_job(after.job_id, after_id=None)
    after.begin()
    rows.set_job(after.job_id, after_id=before.job_id)
    report = check()
    assert report.says("G9", "began although the reply before it still runs")
    assert report.about("G9")[0].split("VIOLATED")[1].split()[0] == "1"


def test_a_reply_that_began_before_what_a_cancelled_one_before_it_waited_for(check: Check, user: UUID) -> None:
    first = Acting(user).begin()
    second, third = Acting(user, first.thread_id), Acting(user, first.thread_id)
    cancelling.cancel(user, second.reply_id)
    assert "G9" not in check().violated
    rows.set_job(second.job_id, after_id=None)
    third.begin()
    rows.set_job(second.job_id, after_id=first.job_id)
    report = check()
    assert report.says("G9", "began although a job it waits for still runs")


@pytest.fixture
def user(app: object) -> UUID:
    return rows.a_user()


def test_a_message_that_is_older_than_what_it_follows(check: Check, story: Story) -> None:
    set_message(story.second, created_at=now(-60))
    assert check().violated == set()  # it may have been moved there by its last change
    set_message(story.second, created_at=now(-60), updated_at=now(-60))
    assert check().says("G9", "is older than the message it follows")


def test_rows_that_belong_to_different_people(check: Check, story: Story) -> None:
    other = rows.a_thread()
    set_message(story.first, user_id=rows.a_user())
    rows.set_job(story.second.job_id, thread_id=other)
    set_message(story.third, thread_id=other)
    report = check()
    assert report.says("G10", "is another user's than its thread")
    assert report.says("G10", "has the job of another thread")
    assert report.says("G10", "follows a message of another thread")


def test_ten_examples_are_enough(check: Check) -> None:
    rows.a_lease(created_at=now(-300))
    thread_id = rows.a_thread()
    for _ in range(13):
        rows.a_job(thread_id, deadline_at=now(-90), next_publish_at=now(60))
    about = check().about("G1")
    assert "VIOLATED        13 of 13 replies" in about[0]
    assert (len(about), about[-1].strip()) == (12, "… and 3 more")


def test_many_messages_are_read_page_by_page(check: Check, monkeypatch: pytest.MonkeyPatch, story: Story) -> None:
    monkeypatch.setattr("app.check.rows._PAGE", 2)
    monkeypatch.setattr("app.check.stored._BATCH", 2)
    monkeypatch.setattr("app.check.thread_logs._PAGE", 2)
    report = check()
    assert report.violated == set()
    assert "held            6 messages" in report.about("G9")[0]
