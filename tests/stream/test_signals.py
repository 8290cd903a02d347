from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from app import redis_client
from app.ids import parse_id
from app.stream.signals import CANCELS, CancelListener, send_cancel
from tests.support.own_valkey import OwnValkey
from tests.support.stack import until

JOB = "11111111-1111-7111-8111-111111111111"


@pytest.fixture
def cancelled(client: Redis) -> Iterator[list[str]]:
    """The jobs that a worker's listener was told to cancel."""
    heard: list[str] = []

    def cancel(job_id: str) -> None:
        if parse_id(job_id) is None:
            raise ValueError(job_id)
        heard.append(job_id)

    listener = CancelListener(client, cancel)
    listener.start()
    until(lambda: client.pubsub_numsub(CANCELS)[0][1] > 0, what="listening")
    yield heard
    listener.stop()


def test_a_cancel_reaches_the_workers(client: Redis, cancelled: list[str]) -> None:
    send_cancel(client, JOB)
    until(lambda: cancelled == [JOB], what="the cancel")


def test_a_listener_outlives_garbage_and_cuts(client: Redis, cancelled: list[str]) -> None:
    client.publish(CANCELS, "no job of ours")
    send_cancel(client, JOB)
    until(lambda: cancelled == [JOB], what="the cancel after the garbage")
    client.client_kill_filter(_type="pubsub")
    until(lambda: send_cancel(client, JOB) or len(cancelled) > 1, what="a cancel after the cut")


def test_a_cancel_while_redis_is_away_is_no_error(own_valkey: OwnValkey) -> None:
    own_valkey.lose()
    with redis_client.connected(own_valkey.redis_url, 0.3) as client:
        send_cancel(client, JOB)
