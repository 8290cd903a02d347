"""The one event loop of a process that all MCP sessions live in, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from concurrent.futures import wait as wait_for
from typing import Any, TypeVar

from app.tools.context import never
from app.tools.errors import ToolFailed, ToolTimeout

Result = TypeVar("Result")

_LOOK_SECONDS = 0.1
# A coroutine keeps its own time; this is for a loop that is blocked.
_GRACE_SECONDS = 5.0


class Loop:
    """Runs coroutines for threads. Its thread is started by the first of them and ends with `stop`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Coroutine[Any, Any, Result], seconds: float, cancelled: Callable[[], bool] = never) -> Result:
        """What `work` returns or raises. It is cancelled once `cancelled()` or after `seconds` and some grace."""
        future = asyncio.run_coroutine_threadsafe(work, self._started())
        left = seconds + _GRACE_SECONDS
        while left > 0 and not wait_for([future], min(left, _LOOK_SECONDS)).done:
            left -= _LOOK_SECONDS
            if cancelled():
                future.cancel()
                raise ToolFailed("The reply was cancelled.")
        return _result(future)

    @property
    def is_running(self) -> bool:
        """Whether anything was ever asked of it since its last stop."""
        return self._loop is not None

    def stop(self) -> None:
        """End the thread; what still runs is cancelled."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_GRACE_SECONDS)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(self._loop,), name="mcp-loop", daemon=True)
                self._thread.start()
            return self._loop


def _result(future: Future[Result]) -> Result:
    try:
        return future.result(timeout=0)
    except (TimeoutError, CancelledError):
        future.cancel()
        raise ToolTimeout("The MCP client did not answer in time.") from None


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
