"""What a worker owes a job it holds: transitions repeated until the database has taken them or the job is another's."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError
from tenacity import Retrying, retry_if_exception
from tenacity.wait import wait_exponential

from app.database import transaction
from app.jobs import lifecycle, queue
from app.jobs.claim import Claim
from app.jobs.presence import Presence

# The database understood and refused: it would again.
_REFUSALS = (DataError, IntegrityError, ProgrammingError)


def passes(error: BaseException) -> bool:
    """Whether `error` is trouble of the database itself, which is worth waiting for."""
    return isinstance(error, SQLAlchemyError) and not isinstance(error, _REFUSALS)


def insist(presence: Presence, claim: Claim, action: Callable[[], object]) -> None:
    """Repeat a guarded transition of `claim`; raises the last error when the lease is gone, or at once a refusal."""
    Retrying(
        retry=retry_if_exception(passes),
        wait=wait_exponential(multiplier=0.1, max=1),
        stop=lambda _: not presence.holds(claim.lease_id),
        reraise=True,
    )(action)


def hand_over(presence: Presence, claim: Claim) -> None:
    """Give the job back, for any worker to go on with at once."""

    def release() -> None:
        with transaction() as session:
            lifecycle.hand_over(session, claim)

    insist(presence, claim, release)
    queue.publish_ready()
