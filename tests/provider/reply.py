"""One reply of the fake, from its first byte to its fault or its end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from email.utils import formatdate

from tests.provider.behaviour import Behaviour
from tests.provider.connection import Connection
from tests.provider.dialect import BROKEN_ARGUMENTS, CALCULATION, TOOL, Counts, Dialect

REASONING = ("Let ", "me ", "think.")
HTML = b"<!doctype html><title>A captive portal</title>"


class Broken(Exception):
    """The reply ends here on purpose; `clean` where HTTP shall not notice."""

    def __init__(self, clean: bool) -> None:
        self.clean = clean


@dataclass(frozen=True, slots=True)
class Request:
    """What a reply has to know of its request."""

    number: int
    messages: list[dict[str, str]]
    results: list[str]
    forced: tuple[str, str] | None = None


class Reply:
    """Writes one reply; `tokens` counts what was sent."""

    def __init__(self, connection: Connection, dialect: Dialect, behaviour: Behaviour, request: Request) -> None:
        self.tokens = 0
        self._connection = connection
        self._dialect = dialect
        self._behaviour = behaviour
        self._counts = Counts.of(request.messages, behaviour)
        self._quote = f"Rejected key sk-fake-canary and text: {request.messages[-1]['content']}"
        self._forced = (f"call_{request.number}", *request.forced) if request.forced else None
        self._results = request.results if "calc" in behaviour.flags else []
        self._headers = {dialect.request_id_header: f"req_{request.number}"}

    async def write(self) -> None:
        """The whole reply; ends early where the behaviour says so."""
        await self._connection.pause(self._behaviour.first_ms / 1000)
        if self._behaviour.status is not None:
            await self._refuse(self._behaviour.status)
        elif "html" in self._behaviour.flags:
            await self._connection.answer(200, HTML, {"content-type": "text/html"})
        else:
            await self._stream()

    async def _refuse(self, status: int) -> None:
        headers = self._headers | _waits(self._behaviour.retry_after)
        await self._connection.answer(status, self._dialect.failure(status, self._quote), headers)

    async def _stream(self) -> None:
        self._connection.begin_stream(self._headers)
        try:
            await self._content()
        except Broken as broken:
            if not broken.clean:
                return
        self._connection.end_stream()

    async def _content(self) -> None:
        flags = self._behaviour.flags
        await self._connection.send(self._dialect.opening(self._counts))
        if "reason" in flags:
            for text in REASONING:
                await self._connection.send(self._dialect.reasoning(text))
        await self._say()
        for place, call in enumerate(self._tool_calls()):
            await self._connection.send(self._dialect.tool_call(place, *call))
        counts = None if "nousage" in flags else self._counts
        await self._send(self._dialect.ending(self._reason(), counts))

    async def _say(self) -> None:
        start = time.monotonic()
        words = " ".join(self._results).split() or [f"w{number}" for number in range(1, self._behaviour.tokens + 1)]
        for number, word in enumerate(words, 1):
            await self._fail_where_due()
            due = start + (number - 1) / self._behaviour.rate if self._behaviour.rate else 0
            await self._connection.pause(due - time.monotonic())
            await self._send(self._dialect.token(word if number == 1 else f" {word}"))
            self.tokens = number
        await self._fail_where_due()

    async def _fail_where_due(self) -> None:
        if self.tokens == self._behaviour.fault_at:
            await self._fail()

    async def _fail(self) -> None:
        """The fault in mid-stream, where there is one."""
        flags = self._behaviour.flags
        if "error" in flags:
            await self._connection.send(self._dialect.error(self._quote))
            raise Broken(clean=True)
        if "garbage" in flags:
            await self._connection.send(b'data: {"choices": [{"delta\n\n')
        if "rst" in flags:
            await self._connection.pause(0.05)  # lets what was sent arrive first
            self._connection.reset()
        if flags & {"rst", "fin", "clean"}:
            raise Broken(clean="clean" in flags)
        while flags & {"silence", "pings"}:
            await self._connection.pause(0.1)
            if "pings" in flags:
                await self._connection.send(self._dialect.ping())

    async def _send(self, content: bytes) -> None:
        """Send at once, or in drops where the behaviour is to trickle."""
        if "trickle" not in self._behaviour.flags or self.tokens < self._behaviour.fault_at:
            await self._connection.send(content)
            return
        for byte in content:
            await self._connection.send(bytes([byte]))
            await asyncio.sleep(0.001)

    def _tool_calls(self) -> list[tuple[str, str, str]]:
        call_id, name, _ = TOOL
        for flag, broken in BROKEN_ARGUMENTS.items():
            if flag in self._behaviour.flags:
                return [(call_id, name, broken)]
        if "obey" in self._behaviour.flags:
            return [self._forced] if self._forced else []
        if "calc" in self._behaviour.flags and not self._results:
            return CALCULATION
        return [TOOL] if "tool" in self._behaviour.flags else []

    def _reason(self) -> str:
        if self._tool_calls():
            return "tool_calls"
        ends = {"length": "length", "filter": "content_filter"}
        return next((reason for flag, reason in ends.items() if flag in self._behaviour.flags), "stop")


def _waits(retry_after: tuple[str, float] | None) -> dict[str, str]:
    match retry_after:
        case ("ra", seconds):
            return {"retry-after": f"{seconds:g}"}
        case ("rm", milliseconds):
            return {"retry-after-ms": f"{milliseconds:g}", "retry-after": "1"}
        case ("rd", seconds):
            now = time.time()
            return {"date": formatdate(now, usegmt=True), "retry-after": formatdate(now + seconds, usegmt=True)}
    return {}
