"""What a copy's processes and stores hold at a moment: threads, files, connections, keys, memory."""

from __future__ import annotations

import psutil
import psycopg
from sqlalchemy import make_url

from tests.system.scene import Scene


def usage(scene: Scene) -> dict[str, float]:
    """By name, as `flask check --resources` compares it."""
    found: dict[str, float] = {}
    for name in scene.stack.processes.keys() - {"valkey"}:
        found |= {f"{name} {what}": value for what, value in _of_process(scene.stack.processes[name].pid).items()}
    with scene.stack.redis() as redis:
        info = redis.info()
        found["Redis connections"] = info["connected_clients"]
        found["Redis subscriptions"] = info["pubsub_clients"]
        found["Redis keys"] = redis.dbsize() - len(
            redis.keys("thread:*")
        )  # of these the checker knows that they expire
    if scene.stack.database_url.startswith("postgresql"):
        found["database connections"] = _backends(scene.stack.database_url)
    return found


def _of_process(pid: int) -> dict[str, float]:
    """Of the process and its children."""
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    return {
        "threads": sum(one.num_threads() for one in family),
        "files": sum(one.num_fds() for one in family),
        "memory": sum(one.memory_info().rss for one in family),
    }


def _backends(url: str) -> int:
    made = make_url(url)
    plain = made.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
        row = connection.execute(query, [made.database]).fetchone()
    assert row is not None
    return int(row[0])
