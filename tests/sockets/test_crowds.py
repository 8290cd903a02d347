"""/ws of a real web process: five hundred clients at once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
from websockets.asyncio.client import ClientConnection, connect

from tests.sockets.running import key_of, logged, socket_url, stack, user
from tests.support.reader import Reader
from tests.support.stack import Stack, until
from tests.system.posting import words

__all__ = ["stack", "user"]  # fixtures


@dataclass
class Crowd:
    """Many clients in one event loop."""

    url: str
    headers: dict[str, str]
    count: int

    def heard(self, thread_id: str, reply_id: str, opened: Callable[[], Any]) -> set[str]:
        """The texts that they come to of one reply; `opened` is called when all are there."""
        return asyncio.run(self._heard(thread_id, reply_id, opened))

    def closed(self, opened: Callable[[], Any]) -> set[int | None]:
        """The codes with which they are closed."""
        return asyncio.run(self._closed(opened))

    async def _heard(self, thread_id: str, reply_id: str, opened: Callable[[], Any]) -> set[str]:
        frame = json.dumps({"type": "subscribe", "thread_id": thread_id})

        async def hear(connection: ClientConnection) -> str:
            reader = Reader()
            await connection.send(frame)
            async for text in connection:
                event = json.loads(text)
                reader.apply(event, event.pop("cursor", None))
                reply = reader.replies.get(reply_id)
                if reply is not None and reply.last is not None:
                    return reply.whole if not reader.gaps else "gaps"
            return "closed"

        async with self._connected() as connections:
            await asyncio.to_thread(opened)
            return set(await asyncio.gather(*map(hear, connections)))

    async def _closed(self, opened: Callable[[], Any]) -> set[int | None]:
        async with self._connected() as connections:
            await asyncio.to_thread(opened)
            await asyncio.gather(*(connection.wait_closed() for connection in connections))
            return {connection.close_code for connection in connections}

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[list[ClientConnection]]:
        async with AsyncExitStack() as stack:
            made = []
            for _ in range(self.count):
                connection = connect(self.url, additional_headers=self.headers, proxy=None, ping_interval=None)
                made.append(await stack.enter_async_context(connection))
                assert json.loads(await made[-1].recv())["type"] == "connected"
            yield made


def test_five_hundred_at_once_hear_the_same(stack: Stack, user: httpx.Client) -> None:
    sent = user.post("/api/messages", json={"content": "!wait 6\n!delay 0.01\n!words 100"}).json()
    crowd = Crowd(socket_url(stack.port), key_of(user), 500)

    def all_are_there() -> None:
        assert logged(stack, "socket opened")[-1]["open"] >= 500

    assert crowd.heard(sent["thread"]["id"], sent["reply"]["id"], all_are_there) == {words(100)}
    until(lambda: logged(stack, "socket closed")[-1]["open"] == 0, what="the end of all")


def test_a_key_that_is_revoked_closes_five_hundred_within_seconds(stack: Stack) -> None:
    revoked_at = []
    with stack.user("ben@example.com") as ben:

        def revoke() -> None:
            [key] = ben.get("/api/keys").json()["data"]
            assert ben.delete(f"/api/keys/{key['id']}").status_code == 204
            revoked_at.append(time.monotonic())

        assert Crowd(socket_url(stack.port), key_of(ben), 500).closed(revoke) == {1008}
        assert time.monotonic() - revoked_at[0] < 5
