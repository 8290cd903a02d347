"""A reply that a test writes itself, word by word, as a worker would; and a reader that takes what a stream sends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from app.chat import finishing, scores, sending
from app.chat.outcome import Outcome
from app.chat.sending import Draft
from app.database import transaction
from app.extensions import redis, settings
from app.jobs import lifecycle
from app.jobs.claim import Claim
from app.models import Status
from app.stream.events import Event
from app.stream.flusher import Flusher
from app.stream.score import Score
from app.stream.writer import Writer
from tests.support import rows
from tests.support.reader import Reader


class Acting:
    """A running reply in a thread of its own, or in `thread_id`."""

    def __init__(self, user_id: UUID, thread_id: UUID | None = None) -> None:
        self.sent = sending.send_message(user_id, Draft("hello", thread_id))
        self.thread_id, self.reply_id = self.sent.thread.id, self.sent.reply.id
        assert self.sent.reply.job_id is not None
        self.job_id: UUID = self.sent.reply.job_id
        self._flusher = Flusher(redis(), settings())

    def begin(self) -> Acting:
        """Claim it, as a worker that is alive, and tell so."""
        lease_id = rows.a_lease()
        with transaction() as session:
            claim = lifecycle.claim(session, self.job_id, lease_id, 600, 3)
        assert claim is not None
        self.claim: Claim = claim
        ids = (str(self.thread_id), str(self.reply_id), claim.attempt)
        self.writer = Writer(self._flusher, *ids, may_write=lambda: True, score=Score(2))
        if claim.attempt > 1:
            score = scores.left(self.job_id).score
            score.reopen("", [])
            with transaction() as session:
                assert lifecycle.checkpoint(session, claim, "", score.dump())
            self.writer.go_on(score, "")
        self.writer.begin("scripted/echo")
        self.writer.settle(2)
        return self

    def say(self, *pieces: str) -> Acting:
        """Write each piece in a flush of its own."""
        for piece in pieces:
            self.writer.delta(piece)
            self.writer.settle(2)
        return self

    def keep(self) -> Acting:
        """Checkpoint what there is."""
        with transaction() as session:
            noted = self.writer.noted()
            assert lifecycle.checkpoint(session, self.claim, noted.text, noted.score)
        return self

    def crash(self) -> Acting:
        """Lose the lease; the job is recovered and claimed by another."""
        rows.lapse(self.claim.lease_id)
        with transaction() as session:
            assert lifecycle.recover(session, self.job_id, self.claim.attempt)
        return self.begin()

    def end(self, status: Status = Status.COMPLETED) -> str:
        """Finish it; returns the stored text."""
        self.writer.settle(2)
        text = self.writer.text
        score = self.writer.end(text, complete=status is Status.COMPLETED)
        assert finishing.finish(self.claim, Outcome(status, text, "stop"), score)
        return text


@dataclass
class Taken:
    """What a stream has sent, applied as any client would."""

    reader: Reader = field(default_factory=Reader)
    events: list[Event] = field(default_factory=list)
    beats: int = 0

    def take(self, item: Event | None) -> None:
        if item is None:
            self.beats += 1
            return
        self.events.append(item)
        shown = {"type": item.type, "attempt": item.attempt} | dict(item.fields)
        self.reader.apply(shown | ({"message_id": item.message_id} if item.message_id else {}), item.cursor)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def ids(self) -> list[str]:
        return [event.cursor for event in self.events if event.cursor is not None]

    def ended(self, reply_id: UUID) -> bool:
        """Whether the reply's last event came."""
        found = self.reader.replies.get(str(reply_id))
        return found is not None and found.last is not None

    def grown(self, reply_id: UUID) -> str:
        """The text of its resets and deltas."""
        found = self.reader.replies.get(str(reply_id))
        return found.text if found is not None else ""

    def text(self, reply_id: UUID) -> str:
        """The same, which every client replaces by the one that comes with the end."""
        found = self.reader.replies.get(str(reply_id))
        return str(found.last["content"]) if found is not None and found.last is not None else self.grown(reply_id)


def read(stream: object, until: Callable[[Taken], object] = lambda taken: False, seconds: float = 15) -> Taken:
    """Take what `stream` sends until it ends or `until` is true of what was taken; heartbeats come often enough."""
    assert isinstance(stream, Iterable), stream
    so_far, deadline = Taken(), time.monotonic() + seconds
    for item in stream:
        so_far.take(item)
        if until(so_far):
            return so_far
        assert time.monotonic() < deadline, f"only {so_far.types} came"
    return so_far


def opened(stream: object) -> Iterator[Event | None]:
    """The same stream, once it has sent its first event and so has subscribed; that event comes again."""
    assert isinstance(stream, Iterator), stream
    first = next(item for item in stream if item is not None)  # a slow machine shows first that the stream lives

    def both() -> Iterator[Event | None]:
        yield first
        yield from stream

    return both()
