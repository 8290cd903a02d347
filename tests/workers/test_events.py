"""Celery's events of tasks: all of them arrive, in order, in fewer messages."""

from __future__ import annotations

import threading
from typing import Any

from celery import Celery
from redis import Redis

from app import redis_client
from tests.support.own_valkey import OwnValkey, own_valkey
from tests.support.stack import until

__all__ = ["own_valkey"]

NAMES = ["task-received", "task-started", "task-succeeded"]


def test_the_events_of_a_task_come_together(own_valkey: OwnValkey) -> None:
    celery = Celery("reading", broker=own_valkey.redis_url)
    celery.events_cls = "workers.events:Events"
    heard: list[dict[str, Any]] = []
    with (
        redis_client.connected(own_valkey.redis_url, 2) as client,
        celery.connection_for_read() as reading,
        celery.connection_for_write() as writing,
    ):
        receiver = celery.events.Receiver(reading, handlers={"*": heard.append})
        listening = threading.Thread(target=receiver.capture, kwargs={"wakeup": False})
        listening.start()
        until(lambda: client.pubsub_numpat() > 0, 10, "the listener")
        dispatcher = celery.events.Dispatcher(writing, hostname="reading@here")
        before = _published(client)
        for name in NAMES:
            dispatcher.send(name, uuid="1")
        dispatcher.send("worker-heartbeat")
        until(lambda: len(heard) == 4, 10, "all events")
        receiver.should_stop = True
        listening.join()
        assert _published(client) - before == 2
    assert [event["type"] for event in heard] == ["worker-heartbeat", *NAMES]


def _published(client: Redis) -> int:
    return int(client.info("commandstats").get("cmdstat_publish", {"calls": 0})["calls"])
