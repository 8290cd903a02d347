"""What stands on the stage: provider, load client, databases, Holdfast's processes, and the naive server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psutil

from tests.bench.machine import family, used
from tests.support import postgres
from tests.support.copy import ROOT, free_port
from tests.support.stack import Stack, until

STORES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
# What the tests' server switches off is part of what a POST costs, so everything that keeps a commit is at its default.
DURABLE = ["shared_buffers=128MB", "max_connections=300"]


@dataclass
class Load:
    """The load client of one server."""

    process: subprocess.Popen[str]

    def ask(self, do: str, **command: Any) -> Any:
        """Let it do something; returns when it is done. Raises RuntimeError when it died."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"do": do, **command}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the load client died over {do}")
        return json.loads(answer)


@dataclass
class Provider:
    """The provider's process."""

    process: subprocess.Popen[str]
    url: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def writes(self) -> dict[str, tuple[int, list[int]]]:
        """For each prompt since the last time: when it was asked, when it wrote each token, in nanoseconds."""
        return {prompt: (asked, times) for prompt, (asked, times) in httpx.get(f"{self.url}/writes").json().items()}


@dataclass
class Target:
    """A server to measure: how to talk to it, and the processes whose time it costs, by name."""

    how: str
    load: Load
    provider: Provider
    pids: dict[str, int]

    def costs(self) -> dict[str, float]:
        """CPU seconds so far, by the names of the processes, each with all its children."""
        return {name: used([pid]) for name, pid in self.pids.items()}

    def cpu(self) -> float:
        """CPU seconds so far in all processes."""
        return sum(self.costs().values())


@dataclass
class Holdfast(Target):
    """Holdfast itself, with one user and its key."""

    stack: Stack
    key: str
    store: str


@contextmanager
def provider() -> Iterator[Provider]:
    """Start the provider; it ends with the block."""
    with _process("tests.bench.provider") as process:
        assert process.stdout
        yield Provider(process, process.stdout.readline().strip())


@contextmanager
def load(port: int, key: str = "") -> Iterator[Load]:
    """Start a load client for what listens on `port`."""
    with _process("tests.bench.load", str(port), key) as process:
        yield Load(process)


@contextmanager
def straight(provider: Provider) -> Iterator[Target]:
    """The client straight at the provider: less than that nobody can do."""
    with load(provider.port) as client:
        yield Target("provider", client, provider, {})


@contextmanager
def naive(provider: Provider, folder: Path) -> Iterator[Target]:
    """The naive server, with two workers."""
    port = free_port()
    command = ["gunicorn", "--workers", "2", "--worker-class", "gevent", "--worker-connections", "10000"]
    command += [
        "--bind",
        f"127.0.0.1:{port}",
        "--graceful-timeout",
        "1",
        "--no-control-socket",
        "--log-level",
        "warning",
        "tests.bench.naive:app",
    ]
    with (folder / "naive.log").open("ab") as log:
        environment = {"PYTHONPATH": str(ROOT), "OPENAI_BASE_URL": f"{provider.url}/v1"}
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        until(lambda: _answers(port), 30, "the naive server's answer")
        with load(port) as client:
            yield Target("naive", client, provider, {"web": process.pid})
    finally:
        everything = family([process.pid])
        process.terminate()
        psutil.wait_procs(everything, 10)
        for left in everything:
            with suppress(psutil.NoSuchProcess):
                left.kill()
        process.wait(10)


@contextmanager
def holdfast(provider: Provider, folder: Path, database: Database, *, worker: bool = True) -> Iterator[Holdfast]:
    """Valkey, one web process and, unless told otherwise, one worker."""
    folder.mkdir(parents=True)
    settings = {"OPENAI_BASE_URL": f"{provider.url}/v1", "OPENAI_API_KEY": "none", "SIGNUP": "open"}
    stack = Stack(folder, database.fresh(folder), settings)
    try:
        stack.start_valkey()
        stack.setup()
        stack.start_web()
        if worker:
            stack.start_worker()
        with stack.user() as user, load(stack.port, key := key_of(user)) as client:
            pids = {name: process.pid for name, process in stack.processes.items()} | database.pids
            yield Holdfast("holdfast", client, provider, pids, stack, key, database.store)
    finally:
        stack.end()


@dataclass
class Database:
    """A kind of database, and its server's process if it has one."""

    store: str
    url: str
    pids: dict[str, int]

    def fresh(self, folder: Path) -> str:
        """The URL of an empty database."""
        return postgres.fresh_database(self.url) if self.url else f"sqlite:///{folder / 'holdfast.db'}"


@contextmanager
def database(store: str) -> Iterator[Database]:
    """SQLite, or a PostgreSQL that is started for the block and keeps what it commits."""
    with ExitStack() as stack:
        if store == "sqlite":
            yield Database(store, "", {})
            return
        server = stack.enter_context(postgres.running_postgres(DURABLE))
        assert server.process
        yield Database(store, server.url, {STORES[store]: server.process.pid})


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=2).status_code == 404
    except httpx.HTTPError:
        return False


def key_of(user: httpx.Client) -> str:
    """The API key that a client sends."""
    return str(user.headers["authorization"]).removeprefix("Bearer ")
