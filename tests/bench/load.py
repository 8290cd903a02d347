"""The load client, as a process of its own: does what a line of JSON on its input says and answers with one.

`python -m tests.bench.load PORT KEY`, where KEY may be empty. Times are nanoseconds of the clock that all processes of
a machine share.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import Counter
from typing import Any

from tests.bench.wire import Lost, Wire, receipts

OPENING_AT_ONCE = 32
STREAMS_PER_ADDRESS = 5_000  # a loopback address has some 28,000 ports, and other programs use them too
SECONDS = 60


class Client:
    """One server's client and the streams that it holds open."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._key = key
        self._held: dict[str, Wire] = {}

    async def requests(
        self, *, method: str, paths: list[str], clients: int, count: int = 0, seconds: float = 0, body: Any = None
    ) -> dict[str, Any]:
        """Ask `count` times, or as often as `seconds` allow, each client on a connection of its own."""
        wires = [await Wire.to(self._port) for _ in range(clients)]
        times: list[int] = []
        statuses: Counter[int] = Counter()
        deadline = time.monotonic() + seconds if seconds else float("inf")

        async def work(wire: Wire) -> None:
            while time.monotonic() < deadline and (not count or len(times) < count):
                began = time.monotonic_ns()
                status, _ = await wire.ask(method, paths[len(times) % len(paths)], self._key, body)
                times.append(time.monotonic_ns() - began)
                statuses[status] += 1

        began = time.monotonic()
        await asyncio.gather(*(work(wire) for wire in wires))
        took = time.monotonic() - began
        for wire in wires:
            wire.close()
        return {"times": times, "seconds": took, "statuses": dict(statuses)}

    async def in_turn(
        self, *, method: str, paths: list[str], keys: list[str], count: int, body: Any = None
    ) -> list[list[int]]:
        """Ask one path after the other, `count` times; the times of each. A reply is awaited, but not measured."""
        wire = await Wire.to(self._port)
        times: list[list[int]] = [[] for _ in paths]
        for _ in range(count):
            for path, key, own in zip(paths, keys, times, strict=True):
                began = time.monotonic_ns()
                status, answer = await wire.ask(method, path, key, body)
                own.append(time.monotonic_ns() - began)
                if status == 202:
                    reply = json.loads(answer)["reply"]["id"]
                    status, _ = await wire.ask("GET", f"/api/messages/{reply}?wait=30", key)
                if status != 200:
                    raise Lost(f"{path} answered {status}")
        wire.close()
        return times

    async def replies(
        self, *, how: str, model: str, prompts: list[str], over: float = 0, one_by_one: bool = False
    ) -> list[dict[str, Any]]:
        """Ask for a reply to each prompt and follow it; their starts are spread evenly over `over` seconds."""
        work = [_reply(self._port, how, self._key, model, prompt) for prompt in prompts]
        if one_by_one:
            return [await one for one in work]
        pause = over / len(prompts)
        return list(await asyncio.gather(*(_later(number * pause, one) for number, one in enumerate(work))))

    async def open(self, *, paths: list[str]) -> dict[str, Any]:
        """Open a stream at each path and keep it open; each has brought its first event when this returns."""
        turn = asyncio.Semaphore(OPENING_AT_ONCE)
        failures: Counter[str] = Counter()

        async def one(number: int, path: str) -> None:
            async with turn:
                try:
                    self._held[path] = await self._opened(number, path)
                except (OSError, Lost, TimeoutError) as error:
                    failures[type(error).__name__] += 1

        began, already = time.monotonic(), len(self._held)
        await asyncio.gather(*(one(already + number, path) for number, path in enumerate(paths)))
        return {"seconds": time.monotonic() - began, "failures": dict(failures), **self.held()}

    async def _opened(self, number: int, path: str) -> Wire:
        wire = await Wire.to(self._port, f"127.0.0.{1 + number // STREAMS_PER_ADDRESS}")
        wire.stream("GET", path, self._key)
        async with asyncio.timeout(SECONDS):
            status = await wire.head()
        if status != 200:
            raise Lost(f"answered {status}")
        wire.forget(keep=False)
        return wire

    async def say(self, *, threads: list[str], model: str, over: float) -> list[dict[str, Any]]:
        """Post to threads whose streams are open, and hear the reply there."""
        posting = await Wire.to(self._port)
        waiting = []
        for thread in threads:
            held = self._held[f"/api/threads/{thread}/events"]
            held.forget(keep=True)
            body = {"content": f"say {thread}", "model": model}
            status, _ = await posting.ask("POST", f"/api/threads/{thread}/messages", self._key, body)
            waiting.append(asyncio.ensure_future(_heard(held, thread, status)))
            await asyncio.sleep(over / len(threads))
        posting.close()
        return await asyncio.gather(*waiting)

    def held(self) -> dict[str, Any]:
        """How many streams are open, and how many the server has cut."""
        lost = sum(wire.lost for wire in self._held.values())
        return {"open": len(self._held) - lost, "lost": lost}

    def close(self) -> None:
        """Hang up everything."""
        for wire in self._held.values():
            wire.close()
        self._held.clear()


async def _later(seconds: float, work: Any) -> Any:
    await asyncio.sleep(seconds)
    return await work


async def _reply(port: int, how: str, key: str, model: str, prompt: str) -> dict[str, Any]:
    """One reply, from the request to the end of its stream; what went wrong is told, not raised."""
    wire = await Wire.to(port)  # clients keep their connections: it is not measured
    sent = time.monotonic_ns()
    told: dict[str, Any] = {"prompt": prompt, "sent": sent, "tokens": [], "error": ""}
    try:
        async with asyncio.timeout(SECONDS):
            await _ask(wire, how, key, model, prompt)
            await wire.over()
    except (Lost, TimeoutError, OSError) as error:
        told["error"] = f"{type(error).__name__} {error}".strip()
    wire.close()
    ended = wire.chunks[-1][0] if wire.chunks else sent
    return told | {"tokens": receipts(wire.chunks), "ended": ended, "bytes": wire.bytes}


async def _ask(wire: Wire, how: str, key: str, model: str, prompt: str) -> None:
    if how == "holdfast":
        status, answer = await wire.ask("POST", "/api/messages", key, {"content": prompt, "model": f"openai/{model}"})
        if status != 202:
            raise Lost(f"answered {status}")
        wire.stream("GET", f"/api/messages/{json.loads(answer)['reply']['id']}/events", key)
    elif how == "naive":
        wire.stream("POST", "/chat", key, {"content": prompt, "model": model})
    else:
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": prompt}]}
        wire.stream("POST", "/v1/chat/completions", key, body)


async def _heard(wire: Wire, thread: str, status: int) -> dict[str, Any]:
    error = "" if status == 202 else f"answered {status}"
    try:
        async with asyncio.timeout(SECONDS):
            await wire.until(b"event: message.completed")
    except (Lost, TimeoutError) as lost:
        error = error or f"{type(lost).__name__} {lost}"
    told = {"prompt": f"say {thread}", "tokens": receipts(wire.chunks), "error": error}
    if not wire.lost:
        wire.forget(keep=False)
    return told


async def obey(client: Client) -> None:
    """Do what each line says until the input ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        answer = getattr(client, command.pop("do"))(**command)
        if asyncio.iscoroutine(answer):
            answer = await answer
        gc.collect()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    gc.disable()  # a pause of the client would look like a slow server; it collects between its tasks
    asyncio.run(obey(Client(int(sys.argv[1]), sys.argv[2])))
