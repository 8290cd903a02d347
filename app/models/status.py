"""The states of a job, and so of the reply it writes."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Enum


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
