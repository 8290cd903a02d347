from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from app.tools.errors import ToolFailed, ToolTimeout
from app.tools.mcp import loop as loop_module
from app.tools.mcp.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.stop()


async def here() -> str:
    return threading.current_thread().name


async def forever(ended: threading.Event) -> None:
    try:
        await asyncio.sleep(600)
    finally:
        ended.set()


def test_coroutines_of_every_thread_run_in_one(loop: Loop) -> None:
    assert not loop.is_running
    assert {loop.run(here(), 5), loop.run(here(), 5)} == {"mcp-loop"}
    assert loop.is_running


def test_what_a_coroutine_raises_is_raised(loop: Loop) -> None:
    async def broken() -> None:
        raise ToolFailed("no")

    with pytest.raises(ToolFailed, match="no"):
        loop.run(broken(), 5)


def test_a_cancelled_reply_ends_its_coroutine(loop: Loop) -> None:
    ended = threading.Event()
    with pytest.raises(ToolFailed, match=r"The reply was cancelled."):
        loop.run(forever(ended), 60, cancelled=lambda: True)
    assert ended.wait(5)


def test_a_coroutine_that_keeps_no_time_is_given_up(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "_GRACE_SECONDS", 0.1)
    ended = threading.Event()
    started = time.monotonic()
    with pytest.raises(ToolTimeout):
        loop.run(forever(ended), 0.1)
    assert time.monotonic() - started < 5
    assert ended.wait(5)


def test_stopping_ends_what_still_runs_and_a_later_use_starts_it_again(loop: Loop) -> None:
    ended = threading.Event()

    def run() -> None:
        with suppress(ToolTimeout):
            loop.run(forever(ended), 60)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    loop.run(here(), 5)
    loop.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert ended.is_set()
    assert not loop.is_running
    assert loop.run(here(), 5) == "mcp-loop"
