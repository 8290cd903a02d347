"""What a worker owes a job it holds: transitions repeated until the database has taken them or the job is another's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from app.chat.policies import POLICIES, Kind
from app.database import transaction
from app.jobs import lifecycle, queue
from app.jobs.claim import Claim
from app.jobs.presence import Presence

T = TypeVar("T")


def insist(presence: Presence, claim: Claim, action: Callable[[], T]) -> T:
    """Repeat a guarded transition of `claim`; raises the last error when the lease is gone, or at once a refusal."""
    return POLICIES[Kind.COMMIT].retrying(stop=lambda _: not presence.holds(claim.lease_id))(action)


def hand_over(presence: Presence, claim: Claim, rest: Callable[[Session], object] = lambda _: None) -> None:
    """Give the job back, for any worker to go on with at once; `rest` keeps what was told, in the same transaction."""

    def release() -> None:
        with transaction() as session:
            rest(session)
            lifecycle.hand_over(session, claim)

    insist(presence, claim, release)
    queue.publish_ready()
