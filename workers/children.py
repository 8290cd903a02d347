"""The processes of a Procfile: started, started again when they die, and stopped with everything they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from honcho.process import Popen

LEASH = Path(__file__).with_name("leash.py")
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # seconds before a dead process is started again, doubling in between
STEADY = 10.0  # a process that lived this long was well; its next death is its first

Say = Callable[[str, str | bytes], None]


def leashed(command: str) -> list[str]:
    """The command line of a shell command that ends when this process dies."""
    return [sys.executable, "-IS", str(LEASH), str(os.getpid()), command]


class Child:
    """One command, kept running until `stop`. Its group is its own, so that a signal reaches what it started too."""

    def __init__(self, name: str, command: str, env: dict[str, str], say: Say, keeps_open: Iterable[int] = ()) -> None:
        self.name = name
        self._command = leashed(command)
        self._env = env
        self._say = say
        self._keeps_open = tuple(keeps_open)
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the command, and a thread that looks after it."""
        self._thread.start()

    def stop(self, number: signal.Signals) -> None:
        """Send the signal to the command's group; it is not started again."""
        with self._starting:
            self._stopping.set()
            if self._process is not None:
                _signal_group(self._process.pid, number)

    def ended(self, until: float) -> bool:
        """Whether it has ended for good before the moment `until` of the monotonic clock."""
        self._thread.join(max(0.0, until - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            began = time.monotonic()
            end = self._live()
            if self._stopping.is_set():
                return
            pause = FIRST_PAUSE if time.monotonic() - began > STEADY else pause
            self._say(self.name, f"{end}; starting it again in {pause:g} s")
            self._stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _live(self) -> str:
        """Start it and pass on what it prints until it ends; returns how it ended."""
        try:
            process = self._spawn()
        except OSError as error:
            return f"could not start ({error})"
        if process is None:
            return "stopped"
        self._say(self.name, f"started (pid {process.pid})")
        printing = threading.Thread(target=self._print, args=[process], daemon=True)
        printing.start()
        code = process.wait()
        _signal_group(process.pid, signal.SIGKILL)  # what it leaves behind may hold its port
        printing.join(1)
        return f"ended ({_cause(code)})"

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        with self._starting:
            if not self._stopping.is_set():
                self._process = Popen(self._command, env=self._env, shell=False, pass_fds=self._keeps_open)
                return self._process
        return None

    def _print(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._say(self.name, line)


def stop_all(children: Iterable[Child], seconds: float, hurry: Callable[[], bool]) -> None:
    """SIGTERM to all; SIGKILL to those that still run after `seconds`, or as soon as `hurry` says so."""
    waiting = list(children)
    for child in waiting:
        child.stop(signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while waiting and time.monotonic() < deadline and not hurry():
        waiting = [child for child in waiting if not child.ended(time.monotonic() + 0.05)]
    for child in waiting:
        child.stop(signal.SIGKILL)
    for child in waiting:
        child.ended(time.monotonic() + 1)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it has just ended
        os.killpg(group, number)


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"code {code}"
