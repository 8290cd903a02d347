"""A Redis channel, read for ever."""

from __future__ import annotations

from collections.abc import Iterator

from redis.client import PubSub


def messages(channel: PubSub) -> Iterator[str]:
    """What arrives on the subscribed channels, as it arrives."""
    while True:
        message = channel.get_message(timeout=60)
        if message is not None and message["type"] == "message":
            yield message["data"]
