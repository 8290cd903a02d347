"""Which operating-system process this is, so that another can tell whether it is still alive."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process named beyond doubt: pids are reused, but not with the same start time in the same boot."""

    host: str
    boot_id: str
    pid: int
    pid_started: float

    @classmethod
    def of_this(cls) -> ProcessId:
        """The running process. Where the system has no /proc the start time is unknown, -1."""
        return cls(socket.gethostname(), _boot_id(), os.getpid(), _started(os.getpid()) or -1.0)

    def proven_dead(self) -> bool:
        """True only where this machine, in this boot, has no such process any more."""
        if (self.host, self.boot_id) != (socket.gethostname(), _boot_id()) or not Path("/proc/self/stat").exists():
            return False
        return _started(self.pid) != self.pid_started


@cache
def _boot_id() -> str:
    """This boot and this namespace of pids: containers may share a host's name, but not each other's numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return "unknown"


def _started(pid: int) -> float | None:
    """Clock ticks after boot at which `pid` started, or None when there is no live process of that number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else float(fields[19])
