"""A client's pool replaces connections that were closed, and asks only of those that have been silent. What is sent
before a block is answered after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from app import redis_client
from tests.support.own_valkey import OwnValkey, own_valkey
from tests.support.stack import until

__all__ = ["own_valkey"]


@pytest.fixture
def client(own_valkey: OwnValkey) -> Iterator[Redis]:
    with redis_client.connected(own_valkey.redis_url, 2) as made:
        made.ping()
        yield made


@pytest.fixture
def cut(own_valkey: OwnValkey, client: Redis) -> None:
    """The server closes the client's only connection, which has just answered."""
    [address] = [one["addr"] for one in client.client_list()]
    with Redis.from_url(own_valkey.redis_url) as other:
        assert other.client_kill(address)


@pytest.mark.usefixtures("cut")
def test_a_connection_that_was_closed_while_it_was_silent_is_replaced(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "_TRUST_SECONDS", 0)
    assert client.ping()


@pytest.mark.usefixtures("cut")
def test_one_that_was_closed_at_once_costs_one_command(client: Redis) -> None:
    with pytest.raises(RedisConnectionError):
        client.ping()
    assert client.ping()


def test_one_that_has_just_answered_is_not_looked_at(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = client.connection_pool.get_connection()
    client.connection_pool.release(connection)
    looks: list[float] = []
    parser = connection._parser
    can_read = parser.can_read
    monkeypatch.setattr(parser, "can_read", lambda timeout: looks.append(timeout) or can_read(timeout))
    client.ping()
    assert looks == []
    monkeypatch.setattr(redis_client, "_TRUST_SECONDS", 0)
    client.ping()
    assert looks == [0]


def test_what_was_sent_is_done_before_its_answer_is_read(client: Redis) -> None:
    with redis_client.sent(client, "SET", "word", "here") as answers:
        until(lambda: client.get("word") == "here")
        assert answers == []
    assert answers == ["OK"]


def test_nobody_else_is_given_an_answer_that_a_block_did_not_come_to_read(client: Redis) -> None:
    with pytest.raises(ZeroDivisionError), redis_client.sent(client, "ECHO", "first"):
        assert 1 / 0
    assert client.echo("second") == "second"
    assert len(client.client_list()) == 1


def test_an_error_that_was_answered_comes_after_the_block(client: Redis) -> None:
    passed = []
    with pytest.raises(ResponseError), redis_client.sent(client, "NONSENSE"):
        passed.append("the block")
    assert passed == ["the block"]
    assert client.ping()
