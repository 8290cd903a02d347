"""What a worker holds of a job: which attempt of it, under which lease."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write one attempt of one job; every write names it and changes nothing once it is lost.

    `steers` counts the messages that were to steer it until then. `claimed_at` and `seconds_left`, until the job's
    deadline, are by the database's clock.
    """

    job_id: UUID
    thread_id: UUID
    attempt: int
    lease_id: UUID
    request_id: str | None
    waits: int
    steers: int
    claimed_at: datetime
    seconds_left: float
