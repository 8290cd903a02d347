"""The provider's own log: how often each reply was asked for, and what a cancel did to its connections."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import case, or_, select
from sqlalchemy.orm import Session, aliased

from app.check import json_lines
from app.check.database import Moment
from app.check.errors import Unusable
from app.check.rows import Claimed, Progress, Stepped, attempts_of, steps_of
from app.check.verdict import Invariant, Ledger
from app.database import reading
from app.jobs.lifecycle import CRASHED
from app.models import Job, Message

_PAGE = 500
_CUT_SECONDS = 5.0
_NEVER = datetime.min.replace(tzinfo=UTC)

Key = tuple[str, str]


@dataclass(slots=True)
class Call:
    """One request to the provider; `closed_at` is None while its connection is open, or was when the log ended."""

    place: str
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(slots=True)
class Calls:
    """Every call with its model and what users had said, the newest first: all that a provider knows of a reply."""

    asked: list[tuple[Call, str, tuple[str, ...]]] = field(default_factory=list)
    ends_at: datetime = _NEVER

    def by_question(self, known: Container[Key]) -> dict[Key, list[Call]]:
        """The calls of each question. After the question itself there may be words that nobody has posted."""
        found: defaultdict[Key, list[Call]] = defaultdict(list)
        for call, model, said in self.asked:
            keys = [(model, words) for words in said]
            found[next((key for key in keys if key in known), keys[0] if keys else (model, ""))].append(call)
        return found


@dataclass(frozen=True, slots=True)
class _Asked:
    """A reply as its provider could know it: `questions` are what it answers, with what has steered it."""

    reply_id: UUID
    model_id: str | None
    questions: tuple[str, ...]
    cancel_requested_at: datetime | None
    attempts: tuple[Claimed, ...]
    steps: tuple[Stepped, ...]

    @property
    def keys(self) -> set[Key]:
        model = (self.model_id or "").partition("/")[2]
        return {(model, question) for question in self.questions}

    @property
    def outcome(self) -> str | None:
        return self.attempts[-1].outcome if self.attempts else None

    @property
    def most_calls(self) -> int:
        """Without retries: one for each step, and one for each attempt that was not the last and may have lost one."""
        taken = Counter(step.attempt for step in self.steps if step.by_model)
        return sum(max(1, taken[each.number] + (each.outcome != "completed")) for each in self.attempts)


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
    ledger.examined(Invariant.G3, "provider calls", len(calls.asked))
    groups: defaultdict[Key, list[_Asked]] = defaultdict(list)
    for number, asked in enumerate(_replies(), 1):
        for key in asked.keys:
            groups[key].append(asked)
        progress("replies of providers", number, number)
    for key, found in calls.by_question(groups).items():
        replies = groups.get(key, [])
        if not replies:
            ledger.note(Invariant.G3, f"{len(found)} calls for {key[0]} belong to no stored reply")
            continue
        _count(ledger, found, replies, retries)
        if len(replies) == 1:  # else whose call is whose cannot be told
            _cancel(ledger, at, calls, found, replies[0])


def _count(ledger: Ledger, found: Sequence[Call], replies: Sequence[_Asked], retries: int) -> None:
    most = sum(asked.most_calls for asked in replies) * (retries + 1)
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
        said = tuple(str(each["content"]) for each in reversed(line["messages"]) if each["role"] == "user")
        calls.asked.append((begun[number], str(line["model"]), said))
    elif line["event"] == "closed":
        begun[number].closed_at = time
    else:
        raise ValueError(line["event"])


def _replies() -> Iterator[_Asked]:
    """Every reply with the words it answers."""
    after = UUID(int=0)
    statement = select(Message.id, Message.model_id, Message.job_id, Job.cancel_requested_at)
    statement = statement.join(Job, Job.id == Message.job_id).order_by(Message.id).limit(_PAGE)
    while True:
        with reading() as session:
            page = session.execute(statement.where(Message.id > after)).all()
            jobs = [row.job_id for row in page]
            questions = _questions(session, [row.id for row in page])
            attempts, steps = attempts_of(session, jobs), steps_of(session, jobs)
        if not page:
            return
        after = page[-1].id
        for row in page:
            rest = (row.cancel_requested_at, attempts[row.job_id], steps[row.job_id])
            yield _Asked(row.id, row.model_id, questions[row.id], *rest)


def _questions(session: Session, reply_ids: Sequence[UUID]) -> Mapping[UUID, tuple[str, ...]]:
    """The nearest messages of users above each reply, all in a row: what a provider is told last, results apart."""
    parent, higher = aliased(Message), aliased(Message)
    is_found = case((parent.role == "user", 1), else_=0)
    up = (
        select(Message.id.label("reply_id"), parent.content, parent.parent_id, parent.role, is_found.label("found"))
        .join(parent, parent.id == Message.parent_id)
        .where(Message.id.in_(reply_ids))
        .cte("up", recursive=True)
    )
    goes_on = or_(up.c.found == 0, up.c.role == "user")
    is_found = case((higher.role == "user", 1), else_=up.c.found)
    above = select(up.c.reply_id, higher.content, higher.parent_id, higher.role, is_found)
    up = up.union_all(above.join(higher, higher.id == up.c.parent_id).where(goes_on))
    questions: defaultdict[UUID, tuple[str, ...]] = defaultdict(tuple)
    for row in session.execute(select(up.c.reply_id, up.c.content).where(up.c.role == "user")):
        questions[row.reply_id] += (row.content,)
    return questions
