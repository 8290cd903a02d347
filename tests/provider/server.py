"""The server of the fake provider: one event loop in a thread, which holds hundreds of slow streams."""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import threading
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.provider.anthropic_dialect import AnthropicDialect
from tests.provider.behaviour import Behaviour
from tests.provider.calls import ID_HEADERS, Calls
from tests.provider.connection import ClientGone, Connection
from tests.provider.dialect import Dialect, attached_to, forced_by
from tests.provider.openai_dialect import OpenAIDialect
from tests.provider.reply import Reply, Request

DIALECTS: dict[str, Dialect] = {dialect.path: dialect for dialect in (OpenAIDialect(), AnthropicDialect())}
T = TypeVar("T")
CONTENT_FIELDS = {"model", "messages", "system"}


class FakeProvider:
    """Serves between `with` and its end; `calls` tells what was asked."""

    def __init__(self, port: int = 0, calls: Path | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.calls = Calls(calls)
        self._port = port
        self._tls = tls
        self._numbers = itertools.count(1)
        self._asked: Counter[str] = Counter()
        self._open: set[Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-provider", daemon=True)

    @property
    def url(self) -> str:
        """Address without a path."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._port}"

    @property
    def openai_url(self) -> str:
        """What OPENAI_BASE_URL, DEEPSEEK_BASE_URL or LOCAL_BASE_URL shall be."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """What ANTHROPIC_BASE_URL shall be."""
        return self.url

    def __enter__(self) -> Self:
        self._thread.start()
        listening = asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=self._tls, backlog=1024)
        self._server = self._run(listening)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _stop(self) -> None:
        self._server.close()
        streams = asyncio.all_tasks() - {asyncio.current_task()}
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        for connection in self._open:
            connection.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        self._open.add(connection)
        try:
            path, headers, body = await connection.request()
            dialect = DIALECTS.get(path)
            if dialect is None:
                await connection.answer(404, {"error": {"message": f"no {path} here", "type": "not_found_error"}}, {})
            else:
                await self._reply(connection, dialect, headers, body)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # a connection without a request, or the end of the test
        finally:
            await connection.close()
            self._open.discard(connection)

    async def _reply(
        self, connection: Connection, dialect: Dialect, headers: dict[str, str], body: dict[str, Any]
    ) -> None:
        number, messages = next(self._numbers), dialect.messages(body)
        self._log_request(number, dialect, headers, body)
        behaviour = self._behaviour(body["model"], messages)
        asked = dialect.asked(body)
        if any(calls != results.keys() for calls, results in asked):
            behaviour = Behaviour(status=400)  # as real ones do: every call must be answered
        results = list(asked[-1][1].values()) if asked else []
        reply = Reply(connection, dialect, behaviour, Request(number, messages, results, forced_by(body)))
        by = "server"
        try:
            await reply.write()
        except (ClientGone, ConnectionError):
            by = "client"
        finally:
            self.calls.write("closed", number, by=by, tokens=reply.tokens)

    def _log_request(self, number: int, dialect: Dialect, headers: dict[str, str], body: dict[str, Any]) -> None:
        self.calls.write(
            "request",
            number,
            dialect=dialect.name,
            model=body["model"],
            messages=dialect.messages(body),
            attached=attached_to(body["messages"]),
            parameters={name: value for name, value in body.items() if name not in CONTENT_FIELDS},
            headers={name: headers[name] for name in ID_HEADERS if name in headers},
        )

    def _behaviour(self, model: str, messages: list[dict[str, str]]) -> Behaviour:
        """How to answer this time: a fault with `x2` is over after two requests with the same conversation.

        System messages do not count: they tell the minute, which may pass between two tries.
        """
        try:
            behaviour = Behaviour.of(model)
        except (ValueError, KeyError):
            return Behaviour(status=404)
        conversation = json.dumps([model, [said for said in messages if said["role"] != "system"]])
        self._asked[conversation] += 1
        over = behaviour.times is not None and self._asked[conversation] > behaviour.times
        return behaviour.healed() if over else behaviour
