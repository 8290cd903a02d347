"""A thread in which everything went well: rows and log as a worker would have left them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import update

from app.chat import finishing, reading
from app.chat.outcome import Outcome
from app.clock import now
from app.database import transaction
from app.extensions import redis
from app.jobs import lifecycle
from app.models import Attempt, Message, Status
from app.stream import events, log
from app.stream.events import Event
from app.stream.log import Keys
from tests.chat.acting import Acting
from tests.support import rows

FIRST, SECOND, THIRD = "Once upon a time", "Twice", "Never"


@dataclass(frozen=True, slots=True)
class Story:
    """`first` needed two attempts, `second` one, `third` was cancelled."""

    user_id: UUID
    thread_id: UUID
    first: Acting
    second: Acting
    third: Acting

    def events(self, of: Acting | None = None) -> list[Event]:
        """The thread's log, or what it has of one reply."""
        kept = log.read_tail(redis(), str(self.thread_id))
        return [event for event in kept if of is None or event.message_id == str(of.reply_id)]

    def rewrite(self, entries: list[Event]) -> None:
        """Make the thread's log exactly these; one without a cursor comes right after the one before it."""
        log_key, cursor = Keys(str(self.thread_id)).log, "1-0"
        redis().delete(log_key)
        for event in entries:
            milliseconds, number = log.order(cursor)
            cursor = event.cursor or f"{milliseconds}-{number + 1}"
            redis().xadd(log_key, {"e": event.json()}, id=cursor)
        redis().expire(log_key, 60)

    def message(self, of: Acting) -> dict[str, Any]:
        """The message as clients get it."""
        return reading.get(self.user_id, of.reply_id).public()


def a_story() -> Story:
    """Written now, in some hundredths of a second, with a worker that is still there."""
    user_id = rows.a_user()
    rows.a_lease(created_at=now(-300))
    first = Acting(user_id).begin().say("Once ", "before").keep().crash().say("Once ", "upon ", "a time")
    first.end()
    second = Acting(user_id, first.thread_id).begin().say(SECOND)
    second.end()
    third = Acting(user_id, first.thread_id).begin().say(THIRD)
    cancel(third)
    return Story(user_id, first.thread_id, first, second, third)


def cancel(acting: Acting) -> None:
    """Somebody cancels it, and its worker obeys."""
    acting.writer.settle(2)
    with transaction() as session:
        assert lifecycle.request_cancel(session, acting.job_id)
    assert finishing.finish(acting.claim, Outcome(Status.CANCELLED, acting.writer.text, "cancelled"))


def set_message(acting: Acting, **values: Any) -> None:
    """Change the reply's row."""
    with transaction() as session:
        session.execute(update(Message).where(Message.id == acting.reply_id).values(**values))


def set_attempt(acting: Acting, number: int, **values: Any) -> None:
    """Change the row of one attempt."""
    with transaction() as session:
        session.execute(
            update(Attempt).where(Attempt.job_id == acting.job_id, Attempt.number == number).values(**values)
        )


class Transcript:
    """One client's file, written by the test."""

    def __init__(self, folder: Path, user_id: object, *, via: str = "sse", scope: str = "thread", id_: object) -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder / f"{via}-{len(list(folder.iterdir()))}.jsonl"
        opened = {"client": self.path.stem, "via": via, "user_id": str(user_id), "scope": scope, "id": str(id_)}
        self.write(open=opened)

    def write(self, **line: Any) -> Transcript:
        """One line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.time(), **line}) + "\n")
        return self

    def saw(self, *seen: Event, cursor: str | None = "its own") -> Transcript:
        """The client was sent these events."""
        for event in seen:
            self.write(cursor=event.cursor if cursor == "its own" else cursor, event=json.loads(event.json()))
        return self

    def ends(self, **texts: str) -> Transcript:
        """It ended by itself with these texts."""
        return self.write(end={"texts": texts, "statuses": {}})


def reset(of: Acting, text: str, attempt: int = 1, cursor: str | None = None) -> Event:
    """The whole text."""
    fields = {"offset": len(text), "text": text}
    return Event(events.RESET, str(of.thread_id), str(of.reply_id), attempt, fields, cursor)


def delta(of: Acting, offset: int, text: str, attempt: int = 1, cursor: str | None = None) -> Event:
    """More of it."""
    fields = {"offset": offset, "text": text}
    return Event(events.DELTA, str(of.thread_id), str(of.reply_id), attempt, fields, cursor)
