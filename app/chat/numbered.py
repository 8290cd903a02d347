"""Replies told in numbered events, from the row and the log's tail, and followed live by number."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.chat import assembling, owning, scores, snapshots
from app.chat.errors import NotFound
from app.chat.objects import MessageObject
from app.chat.snapshots import Tail
from app.chat.watching import Sight
from app.database import reading
from app.extensions import settings
from app.models import TERMINAL, Job, Message, Status
from app.stream import events, score
from app.stream.events import Event
from app.stream.hub import Hub
from app.stream.output import Beat, Output
from app.stream.score import NUMBER, Score
from app.stream.subscription import Closed, Interest, Lagged, Look

# How often a reader to whom something is missing looks whether the row has it: that is as old as a checkpoint may be.
_MISSING_SECONDS = 0.25
_PAUSED = frozenset({Status.WAITING, Status.REQUIRES_ACTION})

_NUMBERED = frozenset({events.PROCESSING, events.DELTA, events.REASONING, events.RESET})
# Of these a numbered stream tells nothing.
_SILENT = frozenset({events.CREATED, events.DELTA, events.REASONING, events.PROCESSING})


@dataclass(frozen=True, slots=True)
class Told:
    """A reply as far as it can be told now: `output` is what `beats`, from the first number on, have come to."""

    message: MessageObject
    parameters: Mapping[str, Any]
    output: Output
    beats: list[Beat]


def read(user_id: UUID, message_id: UUID) -> Told:
    """A reply of the user's, from its row and the log's tail. Raises NotFound, also for what is no reply.

    A reply without a score, an older one or an imported one, is told as one that was written at once.
    """
    with reading() as session:
        row = owning.message(session, user_id, message_id)
    if row.role != "assistant":
        raise NotFound("message")
    output = Output(scores.first_number(row.parameters))
    is_running = row.job_id is not None and row.completed_at is None
    found = _catch_up(output, snapshots.tail(str(row.thread_id)) if is_running else Tail(()), message_id)
    if found is None:
        raise NotFound("message")
    message, beats = found
    return Told(message, row.parameters, output, beats)


def follow(hub: Hub, user_id: UUID, credential: str, message_id: UUID, after: int) -> Iterator[Beat | None]:
    """The events of a reply with numbers above `after`, live, until the last one. None is a heartbeat, and comes at
    once where the reply begins to wait or to ask.

    No number comes twice and none after a higher one. Ends quietly when access is lost. Raises NotFound, at once.
    """
    told = read(user_id, message_id)
    if told.output.ended:
        return (beat for beat in told.beats if beat.number > after)
    follower = _Follower(hub, Interest(str(told.message.thread_id), credential), message_id, told.output.first)
    return (beat for beat in follower.beats() if beat is None or beat.number > after)


class _Follower:
    """One reader's way through the numbered events of a reply that runs."""

    def __init__(self, hub: Hub, interest: Interest, message_id: UUID, first: int) -> None:
        self._hub = hub
        self._interest = interest
        self._id = message_id
        self._output = Output(first)
        self._heard_of = 0  # the highest number of an event
        self._look_again_at = 0.0
        self._gone = False
        self._paused = False
        self._known: object = None  # what the last look said of the reply

    def beats(self) -> Iterator[Beat | None]:
        """Subscribe, then read, then follow."""
        every = settings().heartbeat_comment_seconds
        with self._hub.subscribe(self._interest) as subscription:
            yield from self._reload()
            beat_at = time.monotonic() + every
            while not self._output.ended and not self._gone:
                item = subscription.get(min(beat_at, self._wake_at(beat_at)) - time.monotonic())
                if isinstance(item, Closed) or (isinstance(item, Look) and self._interest not in item.seen.allowed):
                    return
                for beat in self._told(item):
                    yield beat
                    beat_at = time.monotonic() + every
                if time.monotonic() >= beat_at:
                    yield None
                    beat_at = time.monotonic() + every

    def _wake_at(self, beat_at: float) -> float:
        return self._look_again_at if self._is_behind else beat_at

    @property
    def _is_behind(self) -> bool:
        return self._output.number < self._heard_of

    def _told(self, item: Event | Lagged | Closed | Look | None) -> Sequence[Beat | None]:
        if isinstance(item, Event):
            return self._hear(item) if item.message_id == str(self._id) else []
        if isinstance(item, Lagged) or (isinstance(item, Look) and self._has_changed(item.seen)):
            return self._reload()
        return self._fill()

    def _hear(self, event: Event) -> Sequence[Beat | None]:
        """A token costs no look at the database: only what is more than text does, and what comes after a gap."""
        if event.type in _NUMBERED and NUMBER in event.fields:
            self._heard_of = max(self._heard_of, event.fields[NUMBER])
            beats = score.relay(self._output, event)
            return beats if beats is not None else self._fill()
        return [] if event.type in _SILENT else self._reload()

    def _fill(self) -> Sequence[Beat | None]:
        """Look for what is missing, if anything is, but not for every event anew."""
        if not self._is_behind or time.monotonic() < self._look_again_at:
            return []
        self._look_again_at = time.monotonic() + _MISSING_SECONDS
        return self._reload()

    def _has_changed(self, sight: Sight) -> bool:
        """Whether the live way may have kept something back: an end, or anything while Redis is away."""
        for state in sight.replies.get(self._interest.thread_id, ()):
            if state.message_id == str(self._id):
                known, self._known = self._known, (state.status, state.attempt, len(state.text or ""))
                return state.status in TERMINAL or (state.text is not None and self._known != known)
        return False

    def _reload(self) -> Sequence[Beat | None]:
        found = _catch_up(self._output, snapshots.tail(self._interest.thread_id), self._id)
        if found is None:
            self._gone = True
            return []
        message, beats = found
        paused, self._paused = self._paused, message.status in _PAUSED
        return [*beats, None] if self._paused and not paused else beats


def _catch_up(output: Output, tail: Tail, message_id: UUID) -> tuple[MessageObject, list[Beat]] | None:
    """What the row, and a tail that was read before it, say beyond `output`, which then is as far; the reply as its
    row has it, too. None without one."""
    with reading() as session:
        message = assembling.message(session, message_id)
        if message is None:
            return None
        stored, text = _stored(session, message, output.first)
    beats = score.catch_up(output, stored, text)
    for entry in tail.entries:
        if entry.message_id == str(message_id):
            beats += score.relay(output, entry) or []
    return message, beats


def _stored(session: Session, message: MessageObject, first: int) -> tuple[str, str]:
    """The score of a reply and the text it goes with."""
    row = session.execute(
        select(Job.score, Job.lost).join(Message, Message.job_id == Job.id).where(Message.id == message.id)
    ).one_or_none()
    stored, text = (row.score, message.content + row.lost) if row is not None else ("", message.content)
    if message.status in TERMINAL and not score.has_ended(stored):
        return _ended(message, first, stored), message.content
    return stored, text


def _ended(message: MessageObject, first: int, stored: str) -> str:
    """The score with the end that an older or imported reply's lacks."""
    known = Score(first, stored, message.content)
    known.begin()
    return known.end(message.content, complete=scores.is_whole(message.status, message.finish_reason))
