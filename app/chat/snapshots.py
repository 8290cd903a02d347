"""A running reply's text as far as anybody can know it: the row's checkpoint and what the log has beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from redis.exceptions import RedisError

from app.extensions import redis
from app.stream import events, log
from app.stream.events import Event


@dataclass(frozen=True, slots=True)
class Tail:
    """The newest entries of a thread's log, oldest first; none while Redis is away."""

    entries: tuple[Event, ...]

    @property
    def cursor(self) -> str | None:
        """The cursor of the last one."""
        return self.entries[-1].cursor if self.entries else None

    def lengthen(self, checkpoint: str, attempt: int, message_id: str) -> str:
        """The text of one attempt of one reply, whose row was read after this tail."""
        return join(checkpoint, self._of(attempt, message_id))

    def joins(self, text: str, attempt: int, message_id: str) -> bool:
        """Whether `text` is all that it has of one attempt of one reply: nothing since a reset begins further on."""
        since_reset = takewhile(lambda event: event.type != events.RESET, reversed(self._of(attempt, message_id)))
        return all(event.type != events.DELTA or event.fields["offset"] <= len(text) for event in since_reset)

    def _of(self, attempt: int, message_id: str) -> list[Event]:
        return [event for event in self.entries if event.message_id == message_id and event.attempt == attempt]


def tail(thread_id: str) -> Tail:
    """The tail as it is now; to be read before the row.

    A try that is taken back leaves the row before it leaves the log. A row read first could still have its text when
    the log knows better, and nothing would tell the two apart; a row read last is at worst ahead of the log, whose
    later entries then bring what the reader has already.
    """
    try:
        return Tail(tuple(log.read_tail(redis(), thread_id)))
    except RedisError:
        return Tail(())


def join(checkpoint: str, entries: Sequence[Event]) -> str:
    """`checkpoint` continued by one attempt's `entries`, as far as they join without a gap.

    A reset in the log outranks the checkpoint: it may have replaced what was checkpointed. Deltas that end before the
    checkpoint does (the log lost its end) change nothing.
    """
    text = checkpoint
    for event in entries:
        if event.type == events.RESET:
            text = event.fields["text"]
        elif event.type == events.DELTA and event.fields["offset"] <= len(text):
            text += event.fields["text"][len(text) - event.fields["offset"] :]
    return checkpoint if checkpoint.startswith(text) else text
