"""`make bench`: a POST, the first token and the idle memory of a copy started for it by the real supervisor.

The model is the scripted one, so that what is measured is Holdfast. Medians of whole round trips over HTTP on this
machine, one client; other load on the machine shows in the 95th percentile.
"""

from __future__ import annotations

import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx

from tests.support.copy import Copy, running_copy
from tests.support.reader import sse
from tests.support.stack import until

ROUNDS = 100


def main() -> None:
    """Print a line a figure."""
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder, running_copy(Path(folder) / "var", **_settings()) as copy:
        began = time.monotonic()
        copy.wait_for(r"Ctrl-C stops everything", 60)
        print(f"start to ready: {time.monotonic() - began:.1f} s")
        until(lambda: any("ready." in line for line in copy.lines), 30, "the worker's start")
        with _client(copy) as client:
            _round(client)
            _print("POST to 202", ROUNDS, lambda: _timed(lambda: _post(client)))
            _print("POST to first token over SSE", ROUNDS, lambda: _round(client))
        _memory(copy)


def _settings() -> dict[str, str]:
    return {"SCRIPTED": "1", "DEFAULT_MODEL": "scripted/echo", "LOCAL_MODEL": "off", "RATE_LIMITS": "off"}


def _client(copy: Copy) -> httpx.Client:
    url = copy.wait_for(r"http://127\.0\.0\.1:\d+")[0]
    key = copy.wait_for(r"hf_[\w-]+")[0]
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


def _post(client: httpx.Client) -> str:
    answer = client.post("/api/messages", json={"content": "hello"})
    answer.raise_for_status()
    reply_id: str = answer.json()["reply"]["id"]
    return reply_id


def _round(client: httpx.Client) -> float:
    """Seconds from a POST to the first text of its reply."""
    began = time.monotonic()
    for event, _ in sse(client, f"/api/messages/{_post(client)}/events"):
        if event.get("text") or "message" in event:
            return time.monotonic() - began
    raise SystemExit("a stream ended without text")


def _timed(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def _print(name: str, rounds: int, measure: Callable[[], float]) -> None:
    times = sorted(measure() * 1000 for _ in range(rounds))
    print(f"{name}: p50 {statistics.median(times):.1f} ms, p95 {times[int(rounds * 0.95)]:.1f} ms, {rounds} rounds")


def _memory(copy: Copy) -> None:
    """Proportional shares, so that what processes share is counted once."""
    shares = {process.pid: _pss(process.pid) for process in copy.family()}
    if None in shares.values():
        sys.exit("memory: this system has no /proc/PID/smaps_rollup")
    print(f"idle memory of all processes, without a model: {sum(filter(None, shares.values())) / 1024:.0f} MB")


def _pss(pid: int) -> int | None:
    try:
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None


if __name__ == "__main__":
    main()
