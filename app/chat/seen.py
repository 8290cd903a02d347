"""What one reader has been sent, so that it is sent nothing twice, nothing stale, and notices what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from app.stream import events
from app.stream.events import Event
from app.stream.log import order


class Verdict(Enum):
    """What to do with an event."""

    SEND = "send"
    DROP = "drop"
    GAP = "gap"  # text is missing before it: heal from the row and the log


@dataclass(slots=True)
class _Reply:
    attempt: int = 0
    length: int | None = None  # code points the client has; None: it resumed and knows itself
    ended: bool = False
    paused: int = 0  # the attempt whose pause the client was told of
    floor: str | None = None  # the log's text up to here was in what the client was sent whole


class Seen:
    """The position of one reader: its cursor, and how far it is in each reply.

    `resumed`: the client came with a cursor, and has parts of replies that were never sent here.
    """

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.resumed = False
        self._replies: dict[str, _Reply] = {}

    def judge(self, event: Event) -> Verdict:
        """Decide about `event` and remember the decision."""
        if event.cursor is not None and event.cursor != events.END_CURSOR:
            if self.cursor is not None and order(event.cursor) <= order(self.cursor):
                return Verdict.DROP
            self.cursor = event.cursor
        return self._of_reply(event) if event.message_id is not None else Verdict.SEND

    def begin(self, message_id: str, attempt: int, length: int, floor: str | None = None) -> None:
        """The client was sent the whole text of a running reply, which had all the log has up to `floor`."""
        self._replies[message_id] = _Reply(attempt, length, floor=floor)

    def ended(self, message_id: str) -> bool:
        """Whether the reply's last event was sent."""
        reply = self._replies.get(message_id)
        return reply is not None and reply.ended

    def end(self, message_id: str) -> None:
        """The client knows that this reply has ended."""
        self._replies.setdefault(message_id, _Reply()).ended = True

    def knows(self, message_id: str) -> bool:
        """Whether anything of this reply was sent."""
        return message_id in self._replies

    def pause(self, message_id: str, attempt: int) -> None:
        """The client knows that the reply waits, or asks, since this attempt."""
        self._replies.setdefault(message_id, _Reply()).paused = attempt

    def knows_pause(self, message_id: str, attempt: int) -> bool:
        """Whether it does."""
        reply = self._replies.get(message_id)
        return reply is not None and reply.paused >= attempt

    def behind(self, message_id: str, attempt: int, length: int) -> bool:
        """Whether a row with `length` code points of `attempt` is ahead of the client."""
        reply = self._replies.get(message_id)
        if reply is None or reply.length is None:
            return True
        return (attempt, length) > (reply.attempt, reply.length)

    def _of_reply(self, event: Event) -> Verdict:
        reply = self._replies.setdefault(str(event.message_id), _Reply())
        if reply.ended or event.attempt < reply.attempt:
            return Verdict.DROP
        if event.attempt > reply.attempt:
            # Every attempt begins with no text; only of the first one seen after a resume the client may have some.
            known = reply.attempt or event.type == events.PROCESSING or not self.resumed
            reply.attempt, reply.length = event.attempt, 0 if known else None
        if event.is_terminal:
            reply.ended = True
        elif event.type in {events.WAITING, events.REQUIRES_ACTION}:
            reply.paused = event.attempt
        elif event.type in {events.RESET, events.DELTA}:
            return self._text(reply, event)
        return Verdict.SEND

    def _text(self, reply: _Reply, event: Event) -> Verdict:
        if reply.floor is not None and event.cursor is not None and order(event.cursor) <= order(reply.floor):
            return Verdict.DROP
        if event.type == events.DELTA:
            return self._delta(reply, event.fields["offset"], len(event.fields["text"]))
        reply.length = event.fields["offset"]
        return Verdict.SEND

    @staticmethod
    def _delta(reply: _Reply, offset: int, length: int) -> Verdict:
        if reply.length is None:
            reply.length = offset  # resumed from a cursor the log knows: the client has all before it
        if offset > reply.length:
            return Verdict.GAP
        if offset + length <= reply.length:
            return Verdict.DROP
        reply.length = offset + length
        return Verdict.SEND
