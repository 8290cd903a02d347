"""Clients of Redis: they give up soon, do not look twice at a connection that has just answered, and need not wait for
an answer before they go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Connection, ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_TRUST_SECONDS = 1.0


def connected(url: str, timeout_seconds: float, *, connections: int = 50) -> Redis:
    """A client whose calls fail after `timeout_seconds` instead of waiting for a Redis that is gone."""
    client: Redis = Redis.from_url(url, decode_responses=True, max_connections=connections, **quick(timeout_seconds))
    client.connection_pool.connection_class = trusting(client.connection_pool.connection_class)
    return client


def quick(timeout_seconds: float) -> dict[str, Any]:
    """Arguments for a Redis client that gives up after one try; by default it tries ten times, for many seconds."""
    return {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "retry": Retry(NoBackoff(), 0),
    }


def apart(client: Redis) -> ConnectionPool:
    """Connections like the client's for one user alone: whoever else still holds one cannot speak between others'
    commands and their answers."""
    pool = client.connection_pool
    return ConnectionPool(connection_class=pool.connection_class, **pool.connection_kwargs)


@contextmanager
def sent(client: Redis, *command: Any) -> Iterator[list[Any]]:
    """Send a command before the block, and read its answer after it, into the list that the block is given.

    Raises RedisError, where it could not be sent or where there is no answer.
    """
    answers: list[Any] = []
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        connection.send_command(*command)  # type: ignore[no-untyped-call]  # redis-py's own is not typed
        try:
            yield answers
        except BaseException:
            connection.disconnect()  # type: ignore[no-untyped-call]  # its next user would be given this answer
            raise
        answers.append(connection.read_response())
    finally:
        pool.release(connection)


def trusting(kind: type[Connection]) -> type[Connection]:
    """Connections of this kind that a pool takes for open within a second of their last answer.

    Before each command a pool asks `can_read`, to find one that was closed. With gevent that is a turn of the loop, in
    which everybody else comes first, and that is long where much is to be done (ADR 9). Nobody else may ask that
    without a timeout, for pub/sub say: what has come unasked would be denied.
    """

    class Trusting(kind):  # type: ignore[valid-type,misc]  # plain, TLS or a Unix socket, as the address says
        _answered_at = 0.0

        def can_read(self, timeout: float = 0) -> bool:
            if not timeout and time.monotonic() - self._answered_at < _TRUST_SECONDS:
                return False
            return bool(super().can_read(timeout))

        def read_response(self, *arguments: Any, **options: Any) -> Any:
            response = super().read_response(*arguments, **options)
            self._answered_at = time.monotonic()
            return response

        def disconnect(self, *arguments: Any, **options: Any) -> None:
            self._answered_at = 0.0
            super().disconnect(*arguments, **options)

    return Trusting
