"""What tool servers of tests wrote down: one line for each time that a tool really ran."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from sqlalchemy import Row, or_, select

from app.check import json_lines
from app.check.database import Moment
from app.check.errors import Unusable
from app.check.verdict import Invariant, Ledger
from app.database import reading
from app.models import Job, Message, ToolCall

_CANCEL_SECONDS = 5.0


class Ran(BaseModel):
    """One run, `at` seconds since the epoch. `call` is the id of its row, `token` a text that only its arguments
    have."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    idempotent: bool
    at: float
    call: UUID | None = None
    token: str | None = None

    @model_validator(mode="after")
    def _names_its_call(self) -> Ran:
        if not self.call and not self.token:
            raise ValueError("needs a call or a token")
        return self

    @property
    def key(self) -> str:
        """What the runs of one call have in common."""
        return str(self.call or self.token)


Runs = Mapping[str, Sequence[Ran]]


def read(paths: Sequence[Path]) -> Runs:
    """The runs of each call. Raises Unusable for a file that is no such log."""
    found: defaultdict[str, list[Ran]] = defaultdict(list)
    for path in paths:
        for place, line in json_lines.read(path):
            try:
                ran = Ran.model_validate(line)
            except ValidationError:
                raise Unusable(f"{place} is no line of a tool server's log.") from None
            found[ran.key].append(ran)
    return found


def check(ledger: Ledger, at: Moment, runs: Runs) -> None:
    """G7: what may not be repeated ran once, and its beginning is stored. G8: nothing ran long after a cancel."""
    ledger.examined(Invariant.G7, "runs of tools", sum(map(len, runs.values())))
    for key, found in runs.items():
        rows = _rows(found[0])
        subject = str(rows[0].message_id) if rows else key
        for what in _wrong(found, rows):
            ledger.violated(Invariant.G7, subject, f"its call {key} of {found[0].name} {what}")
        if len(rows) == 1:
            for what in _after_cancel(at, found, rows[0]):
                ledger.violated(Invariant.G8, subject, f"its call {key} of {found[0].name} {what}")
        if not rows:
            ledger.note(Invariant.G7, f"{key} ran, but belongs to no stored call")


def _wrong(found: Sequence[Ran], rows: Sequence[Row[Any]]) -> Iterator[str]:
    if all(ran.idempotent for ran in found):
        return
    if len(found) > max(1, len(rows)):
        yield f"may not be repeated and ran {len(found)} times"
    if rows and not any(row.attempt for row in rows):
        yield "ran although it was never begun"
    if any(row.idempotent for row in rows):
        yield "is stored as one that may be repeated, and may not"


def _after_cancel(at: Moment, found: Sequence[Ran], row: Row[Any]) -> Iterator[str]:
    if row.cancel_requested_at is not None:
        last = datetime.fromtimestamp(max(ran.at for ran in found), UTC)
        late = at.late(row.cancel_requested_at, _CANCEL_SECONDS, last)
        if late is not None:
            yield f"ran {late + _CANCEL_SECONDS:.1f} s after the cancel"


def _rows(ran: Ran) -> Sequence[Row[Any]]:
    """The calls that a run may belong to: several may have been given one token."""
    columns = (ToolCall.id, ToolCall.message_id, ToolCall.attempt, ToolCall.idempotent, Job.cancel_requested_at)
    calls = select(*columns).join(Message, Message.id == ToolCall.message_id)
    calls = calls.outerjoin(Job, Job.id == Message.job_id).order_by(ToolCall.id)
    if ran.call is not None:
        calls = calls.where(ToolCall.id == ran.call)
    else:
        told = (ToolCall.arguments, ToolCall.edited)
        calls = calls.where(or_(*(column.contains(ran.token, autoescape=True) for column in told)))
    with reading() as session:
        return list(session.execute(calls))
