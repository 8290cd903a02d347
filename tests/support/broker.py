"""What waits on the broker."""

from __future__ import annotations

import json
from uuid import UUID

from redis import Redis


def wake_ups(client: Redis, queue: str = "replies") -> list[UUID]:
    """The ids of the jobs whose wake-ups wait in `queue`, oldest first."""
    waiting: list[str] = client.lrange(queue, 0, -1)
    return [UUID(json.loads(message)["headers"]["id"]) for message in reversed(waiting)]
