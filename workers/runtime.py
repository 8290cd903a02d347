"""DATA_DIR as one running copy holds it: the lock on it, and the ports chosen for what `make run` starts itself."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from app.config import Settings, SettingsError

RUNTIME = "runtime.env"


@contextmanager
def locked(data_dir: Path) -> Iterator[int]:
    """Hold DATA_DIR for this copy alone. Yields the lock's descriptor: children that keep it open keep the lock.

    Raises SettingsError when another copy has it.
    """
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"DATA_DIR: {data_dir} is in use by a copy that runs or is still stopping. "
                "Stop it, or give this one its own PORT, FLOWER_PORT and DATA_DIR."
            ) from None
        yield lock.fileno()


def require_free_ports(settings: Settings) -> None:
    """Raise SettingsError when PORT or FLOWER_PORT cannot be listened on."""
    if settings.port == settings.flower_port:
        raise SettingsError(f"FLOWER_PORT: must differ from PORT ({settings.port}).")
    for name, port in (("PORT", settings.port), ("FLOWER_PORT", settings.flower_port)):
        problem = _why_not(settings.host, port)
        if problem:
            raise SettingsError(
                f"{name}: cannot listen on {settings.host}:{port} ({problem}). Try another: make run {name}={port + 1}"
            )


def choose_addresses(settings: Settings) -> set[str]:
    """Note in DATA_DIR/runtime.env where our own Valkey and model will listen, for every process to read.

    Returns the variables that are ours to serve: those that neither the environment nor `.env` sets. A port is kept
    from start to start while it is free, so that what a person copied from the banner goes on working.
    """
    path = settings.data_dir / RUNTIME
    before = dotenv_values(path)
    own = {
        name: form.format(port=_port_like(before.get(name)))
        for name, form in (
            ("REDIS_URL", "redis://127.0.0.1:{port}/0"),
            ("LOCAL_BASE_URL", "http://127.0.0.1:{port}/v1"),
        )
        if not _set_by_user(name) and not (name == "LOCAL_BASE_URL" and settings.local_model == "off")
    }
    _write_private(path, "".join(f"{name}={value}\n" for name, value in own.items()))
    return set(own)


def _set_by_user(name: str) -> bool:
    return bool(os.environ.get(name) or dotenv_values(".env").get(name))


def _port_like(url: str | None) -> int:
    with suppress(ValueError):
        port = urlsplit(url or "").port
        if port and not _why_not("127.0.0.1", port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
        return free


def _why_not(host: str, port: int) -> str:
    """Why nothing can listen there, or an empty text."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _write_private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
