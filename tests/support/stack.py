"""Holdfast's processes one by one, for tests that start, kill and freeze them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
from redis import Redis
from redis.exceptions import RedisError

from tests.support.copy import ROOT, free_port

PASSWORD = "correct horse battery"
START_SECONDS = 90.0  # some 4 s alone; a crowded machine takes its time, and a start is no promise


def until(condition: Callable[[], Any], seconds: float = 15, what: str = "it") -> Any:
    """The first truthy value of `condition`; fails the test when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} s")


@dataclass
class Stack:
    """The processes of one copy, in a folder and on ports of its own. They end with the block of `running_stack`."""

    folder: Path
    database_url: str
    settings: dict[str, str]
    port: int = field(default_factory=free_port)
    redis_port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    # One for all questions: to make one reads the certificates, 30 ms of a core that a starting process needs.
    _asking: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=2, headers={"Connection": "close"}))

    @property
    def url(self) -> str:
        """Where the web process answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def redis_url(self) -> str:
        """Where Valkey answers."""
        return f"redis://127.0.0.1:{self.redis_port}/0"

    @property
    def env(self) -> dict[str, str]:
        """What its processes are told; nothing of the developer's own environment."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        own = {
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "PORT": str(self.port),
            "SCRIPTED": "1",
            "RATE_LIMITS": "off",
        }
        return kept | own | self.settings

    def start(self, name: str, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        """Start `python arguments`, its output in a file of that name."""
        with self.log(name).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=self.env | env, stdout=output, stderr=output
            )
        self.processes[name] = process
        return process

    def start_valkey(self) -> None:
        """Start it, with what an earlier one left."""
        self.start("valkey", "-m", "workers.valkey")
        until(self._redis_answers, what="Valkey's answer")

    def start_web(self) -> None:
        """Start the web process and wait until it answers."""
        self.launch_web()
        until(self._web_answers, START_SECONDS, "the web process's answer")

    def start_worker(self, name: str = "worker") -> None:
        """Start a worker and wait until it takes jobs."""
        began = self.log(name).stat().st_size if self.log(name).exists() else 0
        self.launch_worker(name)
        until(lambda: b"@test ready" in self.log(name).read_bytes()[began:], START_SECONDS, f"{name}'s start")

    def launch_web(self) -> None:
        """Start the web process; it may not answer yet."""
        self.start("web", "-m", "gunicorn", "--config", "python:workers.gunicorn_conf", "app:create_app()")

    def launch_worker(self, name: str) -> None:
        """Start a worker; it may not take jobs yet."""
        celery = ("-m", "gevent.monkey", "--module", "celery", "--app", "workers.worker", "--quiet")
        self.start(name, *celery, "worker", "--pool", "gevent", "--hostname", f"{name}@test")

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> float:
        """Send the signal and wait for the end; returns how many seconds that took."""
        process, began = self.processes.pop(name), time.monotonic()
        process.send_signal(number)
        process.wait(30)
        return time.monotonic() - began

    def log(self, name: str) -> Path:
        """Where a process's output goes."""
        return self.folder / f"{name}.log"

    def redis(self) -> Redis:
        """A client of its Valkey."""
        client: Redis = Redis.from_url(self.redis_url, decode_responses=True, socket_timeout=2)
        return client

    def user(self, email: str = "ada@example.com") -> httpx.Client:
        """A new user's HTTP client, with its key."""
        made = httpx.post(f"{self.url}/api/users", json={"email": email, "password": PASSWORD}, timeout=20)
        assert made.status_code == 201, made.text
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {made.json()['api_key']}"}, timeout=30
        )

    def setup(self) -> None:
        """Migrate the database."""
        command = [sys.executable, "-m", "flask", "--app", "app.cli.accounts", "setup"]
        subprocess.run(command, cwd=ROOT, env=self.env, check=True, capture_output=True)

    def end(self) -> None:
        """End everything that runs."""
        self._asking.close()
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
        for process in self.processes.values():
            process.wait(10)

    def _redis_answers(self) -> bool:
        try:
            with self.redis() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def _web_answers(self) -> bool:
        try:
            return self._asking.get(f"{self.url}/readyz").status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def running_stack(folder: Path, database_url: str, *, workers: int = 1, **settings: str) -> Iterator[Stack]:
    """Valkey, the web process and so many workers, ready."""
    folder.mkdir(parents=True, exist_ok=True)
    stack = Stack(folder, database_url, settings)
    try:
        stack.start_valkey()
        stack.setup()
        stack.start_web()
        for number in range(workers):
            stack.start_worker("worker" if number == 0 else f"worker{number + 1}")
        yield stack
    finally:
        stack.end()
