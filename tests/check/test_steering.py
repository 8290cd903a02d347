"""Messages that steered, rolled back, were edited or taken back, and who told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.chat import branching, cancelling, finishing, sending, steering, withdrawing
from app.chat.objects import Sent
from app.chat.sending import Draft
from app.database import reading, transaction
from app.extensions import redis
from app.ids import new_id
from app.jobs.reaper import Abandoned
from app.models import Message
from tests.chat.branches import begun, ending, post
from tests.check.agent import Agent, events_of, job_of
from tests.check.conftest import Check
from tests.check.story import Transcript
from tests.support import rows


@pytest.fixture
def steered(agent: Agent) -> tuple[Sent, Sent, Sent]:
    """A running reply and two messages that steer it, of which the first was read."""
    running = post(agent.user_id)
    begun(running)
    first = post(agent.user_id, running.thread.id, content="no", busy="steer")
    with transaction() as session:
        assert steering.take_steers(session, job_of(running), running.reply.id) == ["no"]
    return running, first, post(agent.user_id, running.thread.id, content="yes", busy="steer")


def test_messages_that_steer_are_as_they_should_be_read_unread_and_too_late(
    check: Check, agent: Agent, steered: tuple[Sent, Sent, Sent]
) -> None:
    running, first, second = steered
    queued = post(agent.user_id, running.thread.id)
    assert rows.reply_of(job_of(running)).parent_id == first.message.id
    assert check().violated == set()
    end(running)
    assert check().violated == set()
    assert finishing.finish(begun(queued), ending())
    [late] = replies_to(second.message.id)
    assert late.job_id is not None
    assert check().violated == set()


def end(sent: Sent) -> None:
    job = rows.job(job_of(sent))
    cancelling.cancel_job(job.id)
    rows.set_job(job.id, lease_id=None)
    finishing.end_abandoned(Abandoned(job.id, job.attempt, "cancelled", orphaned=True))


def replies_to(message_id: UUID) -> list[Message]:
    with reading() as session:
        return list(session.scalars(select(Message).where(Message.parent_id == message_id)))


def change(message_id: UUID, **values: Any) -> None:
    with transaction() as session:
        session.execute(update(Message).where(Message.id == message_id).values(**values))


def test_a_message_that_steers_nobody(check: Check, agent: Agent, steered: tuple[Sent, Sent, Sent]) -> None:
    running, first, second = steered
    change(second.message.id, parent_id=first.message.id)
    assert check().says("G1", f"{second.message.id}: steers a reply that it does not follow")
    end(running)
    change(second.message.id, parent_id=running.reply.id, steers_job_id=job_of(running))
    assert check().says("G1", f"{second.message.id}: steers a reply that has ended, and got none of its own")


def test_a_reply_that_began_before_the_one_above_its_users_messages_had_ended(
    check: Check, agent: Agent, steered: tuple[Sent, Sent, Sent]
) -> None:
    running, _, _ = steered
    before = post(agent.user_id)
    begun(before)
    change(running.message.id, thread_id=before.thread.id, parent_id=before.reply.id)
    assert check().says("G9", f"{running.reply.id}: began although the reply before it still runs")


class Posting:
    """A client that posts, and writes down what it did."""

    def __init__(self, folder: Path, check: Check, user_id: UUID) -> None:
        self._check, self._user_id, self._folder = check, user_id, folder
        self._transcript = Transcript(folder, user_id, via="post", id_="")

    def post(self, content: str, thread_id: UUID | None = None, **more: Any) -> Sent:
        sent = sending.send_message(self._user_id, Draft(content, thread_id, **more))
        ids = {"thread_id": sent.thread.id, "message_id": sent.message.id, "reply_id": sent.reply.id}
        line = {"status": 202, "idempotency_key": content, "content": content}
        self._transcript.write(posted=line | {name: str(id_) for name, id_ in ids.items()})
        return sent

    def withdraw(self, message_id: UUID) -> None:
        self._transcript.write(withdrawn={"message_id": str(message_id), "status": 204})

    def check(self) -> Any:
        return self._check("--transcripts", self._folder)


@pytest.fixture
def posting(tmp_path: Path, check: Check, agent: Agent) -> Posting:
    return Posting(tmp_path / "clients", check, agent.user_id)


def test_posts_that_steered_stand_where_they_may(posting: Posting, agent: Agent) -> None:
    running = posting.post("hello")
    begun(running)
    queued = posting.post("next", running.thread.id)
    first = posting.post("no", running.thread.id, busy="steer")
    second = posting.post("wait", running.thread.id, busy="steer")
    assert posting.check().violated == set()
    with transaction() as session:
        steering.take_steers(session, job_of(running), running.reply.id)
    late = posting.post("too late", running.thread.id, busy="steer")
    assert posting.check().violated == set()
    end(running)
    assert len(replies_to(late.message.id)) == 1
    report = posting.check()
    assert (report.code, report.violated) == (0, set()), report.stdout
    change(late.message.id, parent_id=queued.reply.id)
    change(replies_to(late.message.id)[0].id, parent_id=second.message.id)
    assert posting.check().says("G1", f"was to be steered by {late.message.id}, which nobody has read or will answer")
    change(first.message.id, parent_id=None)
    assert posting.check().says("G1", f"{running.reply.id}: was accepted, but follows {second.message.id} instead of")


def test_posts_that_rolled_back_what_was_before_them_follow_what_stands_above(posting: Posting, agent: Agent) -> None:
    first = posting.post("hello")
    assert finishing.finish(begun(first), ending())
    dropped = posting.post("no", first.thread.id)
    kept = posting.post("yes", first.thread.id, busy="rollback")
    assert rows.reply_of(job_of(dropped)).finish_reason == "cancelled"
    assert posting.check().violated == set()
    rows.set_job(job_of(dropped), cancel_requested_at=None)
    assert posting.check().says("G9", f"{kept.message.id}: does not follow {dropped.reply.id}")


def test_posts_that_were_taken_back_are_gone(posting: Posting, agent: Agent) -> None:
    first = posting.post("hello")
    begun(first)
    middle, last = posting.post("oh", first.thread.id), posting.post("ah", first.thread.id)
    withdrawing.withdraw(agent.user_id, middle.message.id)
    redis().flushdb()
    assert posting.check().says("G1", f"{middle.reply.id}: was accepted, but is not stored")
    posting.withdraw(middle.message.id)
    report = posting.check()
    assert (report.code, report.violated) == (0, set()), report.stdout
    posting.withdraw(last.reply.id)
    assert posting.check().says("G1", f"{last.reply.id}: was taken back, but is stored")


def test_clients_that_were_told_of_what_was_taken_back(
    posting: Posting, check: Check, agent: Agent, tmp_path: Path
) -> None:
    first = posting.post("hello")
    begun(first)
    queued = posting.post("oh", first.thread.id)
    steers = posting.post("ah", first.thread.id, busy="steer")
    for gone in (queued, steers):
        withdrawing.withdraw(agent.user_id, gone.message.id)
    told = events_of(first)
    one = Transcript(tmp_path / "clients", agent.user_id, id_=first.thread.id).saw(*told)
    report = posting.check()
    assert (report.code, report.violated) == (0, set()), report.stdout
    redis().flushdb()
    assert posting.check().violated == set()
    kept = [line for line in one.path.read_text().splitlines(keepends=True) if "message.cancelled" not in line]
    one.path.write_text("".join(kept))
    assert posting.check().says("G1", f"{queued.reply.id}: was shown to a client, but is not stored")


def test_a_reply_that_had_begun_is_not_excused_by_its_cancel(posting: Posting, agent: Agent, tmp_path: Path) -> None:
    first = posting.post("hello")
    begun(first)
    end(first)
    Transcript(tmp_path / "clients", agent.user_id, id_=first.thread.id).saw(*events_of(first))
    assert posting.check().violated == set()
    with transaction() as session:
        session.execute(update(Message).where(Message.id == first.reply.id).values(id=new_id()))
    redis().flushdb()
    assert posting.check().says("G1", f"{first.reply.id}: was accepted, but is not stored")


def test_words_that_were_changed_since_are_their_posters(posting: Posting, agent: Agent) -> None:
    first = posting.post("hello")
    second = posting.post("wrold", first.thread.id)
    branching.edit(agent.user_id, second.message.id, "world")
    assert posting.check().violated == set()
    change(first.message.id, content="bye")
    assert posting.check().says("G1", f"{first.reply.id}: was accepted, but other words are stored")
