"""Runs the tool calls of a reply side by side, each in a thread of its own with its own time limit."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
import traceback
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from app.tools.context import ToolContext
from app.tools.errors import ToolError, ToolFailed, ToolsBusy, ToolTimeout
from app.tools.outcome import Outcome
from app.tools.result import shaped
from app.tools.tool import Arguments, Tool

_LOOK_SECONDS = 0.1
_LONGEST_MESSAGE = 200

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One call to run; `id` is the caller's, `arguments` are validated."""

    id: str
    tool: Tool
    arguments: Arguments


@dataclass(frozen=True, slots=True)
class Ended:
    """How one call ended, with its times in UTC."""

    call_id: str
    outcome: Outcome | ToolError
    started: datetime
    ended: datetime


class Runner:
    """Runs calls for one process and counts the threads it had to abandon.

    A thread cannot be killed, so a tool that hangs is left behind: its reply goes on at once, and from `most_abandoned`
    such threads on every call is refused until some of them have ended.
    """

    def __init__(self, most_abandoned: int = 50) -> None:
        self._most = most_abandoned
        self._lock = threading.Lock()
        self._abandoned = 0

    @property
    def abandoned(self) -> int:
        """Threads that were given up and still run."""
        return self._abandoned

    def run(self, calls: Sequence[Call], context: ToolContext) -> Iterator[Ended]:
        """Start every call now and yield each as it ends. A cancelled reply ends it early, without what still runs.

        Raises nothing that a tool raises: a failure is the `outcome`.
        """
        if context.cancelled():
            return
        done: queue.SimpleQueue[_Running] = queue.SimpleQueue()
        running = dict.fromkeys(_Running(call, _limit(call, context), done) for call in calls)
        try:
            for each in running:
                self._start(each, context)
            while running:
                over = self._over(running, done)
                for each in over:
                    del running[each]
                    yield each.as_ended()
                if not over and context.cancelled():
                    return
        finally:
            for each in running:
                self._abandon(each)

    def _start(self, each: _Running, context: ToolContext) -> None:
        if each.limit <= 0:
            return each.refuse(ToolTimeout(f"No time was left to run the tool {each.call.tool.name}."))
        if self._abandoned >= self._most:
            return each.refuse(ToolsBusy("Too many tools hang on this worker already; try again later."))
        work = contextvars.copy_context()
        thread = threading.Thread(
            target=work.run, args=(self._work, each, context), name=f"tool-{each.call.tool.name}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            each.refuse(ToolsBusy("The worker cannot start another thread; try again later."))

    def _work(self, each: _Running, context: ToolContext) -> None:
        outcome = _outcome(each, context)
        with self._lock:
            each.over = True
            self._abandoned -= each.abandoned
        if not each.abandoned:
            each.end(outcome)

    def _over(self, running: Collection[_Running], done: queue.SimpleQueue[_Running]) -> Sequence[_Running]:
        """Those that ended, or else ran out of time, within the next moment."""
        soonest = min(each.deadline for each in running) - time.monotonic()
        try:
            return [done.get(timeout=max(0.0, min(soonest, _LOOK_SECONDS)))]
        except queue.Empty:
            now = time.monotonic()
            return [each for each in running if each.deadline <= now and self._abandon(each)]

    def _abandon(self, each: _Running) -> bool:
        """Give its thread up; False if it has just ended."""
        with self._lock:
            if each.over:
                return False
            each.abandoned = True
            self._abandoned += 1
        log.warning("tool_abandoned", tool=each.call.tool.name, seconds=each.limit)
        return True


class _Running:
    """One call in flight."""

    def __init__(self, call: Call, limit: float, done: queue.SimpleQueue[_Running]) -> None:
        self.call = call
        self.limit = limit
        self.deadline = time.monotonic() + limit
        self.over = False
        self.abandoned = False
        self._done = done
        self._started = datetime.now(UTC)
        self._ended: Ended | None = None

    def end(self, outcome: Outcome | ToolError) -> None:
        """Called by its thread, once."""
        self._ended = Ended(self.call.id, outcome, self._started, datetime.now(UTC))
        self._done.put(self)

    def refuse(self, why: ToolError) -> None:
        """End it without having run."""
        self.over = True
        self.end(why)

    def as_ended(self) -> Ended:
        """How it ended; for one that was given up, that its time was over."""
        if self._ended is None:
            late = ToolTimeout(f"The tool {self.call.tool.name} did not end within {self.limit:g} s and was given up.")
            return Ended(self.call.id, late, self._started, datetime.now(UTC))
        return self._ended


def _limit(call: Call, context: ToolContext) -> float:
    return max(0.0, min(call.tool.timeout_seconds, context.seconds_left))


def _outcome(each: _Running, context: ToolContext) -> Outcome | ToolError:
    own = replace(context, seconds_left=each.limit, cancelled=lambda: each.abandoned or context.cancelled())
    try:
        return shaped(each.call.tool.call(each.call.arguments, own), each.call.tool.result_chars)
    except ToolError as error:
        return error
    except BaseException as error:  # a thread that dies would tell nobody
        return _failed(each.call.tool.name, error)


def _failed(name: str, error: BaseException) -> ToolFailed:
    """What the model is told; the log gets the kind and the place, never the message, which may hold contents."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    log.error("tool_raised", tool=name, error=type(error).__name__, place=place)
    message = " ".join(str(error).split())
    short = message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}…"
    return ToolFailed(f"The tool {name} raised {type(error).__name__}: {short}")
