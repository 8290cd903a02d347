"""A running reply's text as far as anybody can know it: the row's checkpoint and what the log has beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from app.extensions import redis
from app.stream import events, log
from app.stream.events import Event


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The text, the cursor of the last entry it reflects (None without a log), and the entries after that."""

    text: str
    cursor: str | None
    rest: tuple[Event, ...] = ()


def lengthened(checkpoint: str, attempt: int, thread_id: str, message_id: str) -> Snapshot:
    """The snapshot of one attempt of one reply. Without Redis it is the checkpoint."""
    try:
        entries = log.read_tail(redis(), thread_id)
    except RedisError:
        return Snapshot(checkpoint, None)
    # The row was read before the log, which may tell of the reply's end or of a newer attempt by now.
    newer = [e.message_id == message_id and (e.is_terminal or e.attempt > attempt) for e in entries]
    until = newer.index(True) if True in newer else len(entries)
    mine = [e for e in entries[:until] if e.message_id == message_id and e.attempt == attempt]
    return Snapshot(join(checkpoint, mine), entries[until - 1].cursor if until else None, tuple(entries[until:]))


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
