from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr
from redis import Redis

from app import redis_client
from app.config import Settings
from app.ids import new_id
from app.logs import configure
from app.stream import events
from app.stream.events import Event
from app.stream.flusher import Flusher
from app.stream.score import Score
from app.stream.writer import Writer
from tests.support.own_valkey import own_valkey

__all__ = ["own_valkey"]

MakeWriter = Callable[..., Writer]


@pytest.fixture(autouse=True, scope="session")
def quiet_logs() -> None:
    """Threads may log after their test's output was closed."""
    configure("WARNING")
    logging.getLogger().handlers[:] = [logging.NullHandler()]


@pytest.fixture
def settings(valkey: str) -> Settings:
    return Settings(
        _env_file=None, redis_url=valkey, secret_key=SecretStr("only for tests"), log_events=500, recheck_seconds=0.05
    )


@pytest.fixture
def client(valkey: str) -> Iterator[Redis]:
    with redis_client.connected(valkey, 2) as made:
        yield made


@pytest.fixture
def thread_id() -> str:
    return str(new_id())


@pytest.fixture
def flusher(client: Redis, settings: Settings) -> Flusher:
    return Flusher(client, settings)


@pytest.fixture
def make_writer(flusher: Flusher, thread_id: str) -> MakeWriter:
    """Writers of new replies in this test's thread."""

    def make(attempt: int = 1, message_id: str | None = None, **changed: Callable[[], bool]) -> Writer:
        may_write = changed.get("may_write", lambda: True)
        ids = (thread_id, message_id or str(new_id()), attempt)
        return Writer(flusher, *ids, may_write=may_write, score=Score(2))

    return make


def delta(thread_id: str, message_id: str, text: str, attempt: int = 1, offset: int = 0) -> Event:
    return Event(events.DELTA, thread_id, message_id, attempt, {"offset": offset, "text": text})


def end(thread_id: str, message_id: str, attempt: int = 1) -> Event:
    return Event(events.COMPLETED, thread_id, message_id, attempt, {"message": {}})
