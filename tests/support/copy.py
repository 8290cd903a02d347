"""A copy of Holdfast, or of any Procfile, run by the real supervisor in a folder of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


class Copy:
    """A running supervisor: what it prints, its children, and its end."""

    def __init__(self, data_dir: Path, procfile: Path, env: dict[str, str]) -> None:
        self.data_dir = data_dir
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "workers.supervisor", "--procfile", str(procfile)],
            cwd=data_dir.parent,  # where no developer's .env is
            env=env | {"PYTHONPATH": str(ROOT), "DATA_DIR": str(data_dir)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str, seconds: float = 20, after: int = 0) -> re.Match[str]:
        """The first match of `pattern` in what it has printed or prints within `seconds`, from line `after` on."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                for line in self.lines[after:]:
                    if found := re.search(pattern, line):
                        return found
                left = deadline - time.monotonic()
                if left <= 0 or not self._news.wait(left):
                    raise AssertionError(f"{pattern!r} was not printed within {seconds} s:\n" + "".join(self.lines))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send it the signal and wait for its end; returns how many seconds that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        self._reader.join(5)
        return time.monotonic() - began

    def family(self) -> list[psutil.Process]:
        """Every process that carries this copy's DATA_DIR, whoever its parent is by now."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("DATA_DIR") == str(self.data_dir) and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            return False

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as stream:
            for line in stream:
                with self._news:
                    self.lines.append(line)
                    self._news.notify_all()


@contextmanager
def running_copy(data_dir: Path, procfile: Path = ROOT / "Procfile", **settings: str) -> Iterator[Copy]:
    """Run a copy with these settings on free ports, and end it and all it started at the end of the block."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    env |= {"PORT": str(free_port()), "FLOWER_PORT": str(free_port())} | settings
    copy = Copy(data_dir, procfile, env)
    try:
        yield copy
    finally:
        if copy.process.poll() is None:
            copy.stop()
        for process in copy.family():
            process.kill()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
