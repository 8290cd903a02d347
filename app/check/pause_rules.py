"""What must hold of replies that ask a person something, and of messages that shall steer a reply."""

from __future__ import annotations

from collections.abc import Iterator

from app.check.database import Moment
from app.check.rows import Row
from app.models import Status


def asked(row: Row, _: Moment) -> Iterator[str]:
    """A reply says what it asks for exactly while its job waits for that."""
    action, asks = row.required_action, row.status is Status.REQUIRES_ACTION
    wrong = {
        "names no action": asks and action is None,
        "still asks for something": not asks and action is not None,
        "names another action than its job": asks and action is not None and action.get("id") != str(row.action_id),
        "its job names an action": not asks and row.action_id is not None,
        "its job never stops asking": asks and row.action_expires_at is None,
        "its job has something to expire": not asks and row.action_expires_at is not None,
    }
    yield from (f"is {row.status} but {what}" for what, is_so in wrong.items() if is_so)


def steering(row: Row, _: Moment) -> Iterator[str]:
    """A message that shall steer a reply stands below it, until that has read it or ended."""
    if row.steers_job_id is None:
        return
    if row.role != "user" or row.steers_job_id != row.parent_job_id:
        yield "steers a reply that it does not follow"
    elif row.parent_job_finished_at is not None:
        yield "steers a reply that has ended, and got none of its own"
