"""The states of a job, and so of the reply it writes."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Enum, literal_column


class Status(StrEnum):
    """The seven words used in tables, JSON, events, logs and pages."""

    PENDING = "pending"
    PROCESSING = "processing"
    WAITING = "waiting"
    REQUIRES_ACTION = "requires_action"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})
ACTIVE = frozenset(Status) - TERMINAL


def among(column: ColumnElement[Any], states: Collection[Status]) -> ColumnElement[bool]:
    """Whether it is one of these, which are written into the statement: as parameters they would cost each time."""
    return column.in_([literal_column(f"'{state.value}'") for state in sorted(states)])


def status_type() -> Enum:
    """A text column with a check constraint: adding a state needs no ALTER TYPE."""
    return Enum(
        Status,
        native_enum=False,
        create_constraint=True,
        name="status",
        length=20,
        values_callable=lambda states: [state.value for state in states],
    )
