"""The provider's own log: how often each reply was asked for, and what a cancel did to its connections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import aliased

from app.check import json_lines
from app.check.database import Moment
from app.check.errors import Unusable
from app.check.rows import Progress
from app.check.verdict import Invariant, Ledger
from app.database import reading
from app.jobs.lifecycle import CRASHED
from app.models import Attempt, Job, Message

_PAGE = 500
_CUT_SECONDS = 5.0
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Call:
    """One request to the provider; `closed_at` is None while its connection is open, or was when the log ended."""

    place: str
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(slots=True)
class Calls:
    """Every call, by the model and the last words it was asked with: that is all a provider knows of a reply."""

    by_question: defaultdict[tuple[str, str], list[Call]] = field(default_factory=lambda: defaultdict(list))
    ends_at: datetime = _NEVER


@dataclass(frozen=True, slots=True)
class _Asked:
    """A reply as its provider could know it."""

    reply_id: UUID
    model_id: str | None
    question: str
    attempt: int
    cancel_requested_at: datetime | None
    outcome: str | None

    @property
    def key(self) -> tuple[str, str]:
        return (self.model_id or "").partition("/")[2], self.question


def read(paths: Sequence[Path]) -> Calls:
    """Raises Unusable for a file that is no such log."""
    calls = Calls()
    for path in paths:
        begun: dict[int, Call] = {}
        for place, line in json_lines.read(path):
            try:
                _take(calls, begun, place, line)
            except (KeyError, TypeError, ValueError, IndexError):
                raise Unusable(f"{place} is no line of a provider's log of calls.") from None
    return calls


def check(ledger: Ledger, at: Moment, calls: Calls, retries: int, progress: Progress) -> None:
    """G3: no more calls than attempts and their retries allow. G8: a cancel ends them and lets none begin."""
    ledger.examined(Invariant.G3, "provider calls", sum(len(found) for found in calls.by_question.values()))
    groups: defaultdict[tuple[str, str], list[_Asked]] = defaultdict(list)
    for number, asked in enumerate(_replies(), 1):
        if asked.key in calls.by_question:
            groups[asked.key].append(asked)
        progress("replies of providers", number, number)
    for key, replies in groups.items():
        found = calls.by_question[key]
        _count(ledger, found, replies, retries)
        if len(replies) == 1:  # else whose call is whose cannot be told
            _cancel(ledger, at, calls, found, replies[0])
    for key in calls.by_question.keys() - groups.keys():
        ledger.note(Invariant.G3, f"{len(calls.by_question[key])} calls for {key[0]} belong to no stored reply")


def _count(ledger: Ledger, found: Sequence[Call], replies: Sequence[_Asked], retries: int) -> None:
    most = sum(asked.attempt for asked in replies) * (retries + 1)
    if len(found) > most:
        what = f"its provider was called {len(found)} times, its attempts allow {most}"
        ledger.violated(Invariant.G3, str(replies[0].reply_id), what)


def _cancel(ledger: Ledger, at: Moment, calls: Calls, found: Sequence[Call], asked: _Asked) -> None:
    if asked.cancel_requested_at is not None:
        ledger.examined(Invariant.G8, "calls of cancelled replies", len(found))
        last = calls.ends_at if asked.outcome != CRASHED else None
        for what in _after_cancel(at, found, asked.cancel_requested_at, last):
            ledger.violated(Invariant.G8, str(asked.reply_id), what)


def _after_cancel(at: Moment, found: Sequence[Call], cancelled_at: datetime, last: datetime | None) -> Iterator[str]:
    """`last`: until when open connections are known to have been open; None where their worker was dead or frozen,
    and could not close them."""
    for call in found:
        late = at.late(cancelled_at, _CUT_SECONDS, call.opened_at)
        if late is not None:
            yield f"its provider was called {late + _CUT_SECONDS:.1f} s after its cancel ({call.place})"
            continue
        late = at.late(cancelled_at, _CUT_SECONDS, call.closed_at or last) if last is not None else None
        if late is not None:
            yield f"its provider's connection was open {late + _CUT_SECONDS:.1f} s after its cancel ({call.place})"


def _take(calls: Calls, begun: dict[int, Call], place: str, line: Mapping[str, Any]) -> None:
    time = datetime.fromtimestamp(line["time"], UTC)
    calls.ends_at = max(calls.ends_at, time)
    number = int(line["call"])
    if line["event"] == "request":
        begun[number] = Call(place, time)
        calls.by_question[str(line["model"]), str(line["messages"][-1]["content"])].append(begun[number])
    elif line["event"] == "closed":
        begun[number].closed_at = time
    else:
        raise ValueError(line["event"])


def _replies() -> Iterator[_Asked]:
    """Every reply with the words it answers."""
    question, after = aliased(Message), UUID(int=0)
    columns = (Message.id, Message.model_id, question.content, Job.attempt, Job.cancel_requested_at, Attempt.outcome)
    statement = (
        select(*columns)
        .join(question, question.id == Message.parent_id)
        .join(Job, Job.id == Message.job_id)
        .outerjoin(Attempt, and_(Attempt.job_id == Job.id, Attempt.number == Job.attempt))
    )
    while True:
        with reading() as session:
            page = session.execute(statement.where(Message.id > after).order_by(Message.id).limit(_PAGE)).all()
        if not page:
            return
        after = page[-1][0]
        yield from (_Asked(*row) for row in page)
