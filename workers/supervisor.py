"""`make run`: starts everything the Procfile lists, keeps it running, and stops all of it on Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import datetime
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from honcho.colour import get_colours
from honcho.environ import parse_procfile
from honcho.printer import Message, Printer

from app.config import Settings, SettingsError, load_settings
from workers import runtime
from workers.children import Child, leashed, stop_all

STOP_SECONDS = 7.0  # for all but the last
STOP_LAST_SECONDS = 1.5
LAST = {"valkey"}  # the others write their last events to it
SERVES = {"valkey": "REDIS_URL", "model": "LOCAL_BASE_URL"}  # not started where the variable names another server


def main() -> None:
    """Start, watch, stop. A setting nothing can start with ends it with a sentence and exit code 2."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--procfile", type=Path, default=Path("Procfile"))
    commands = dict(parse_procfile(arguments.parse_args().procfile.read_text()).processes)
    try:
        settings = load_settings()
        with runtime.locked(settings.data_dir) as lock:
            start(settings, commands, lock)
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # before there was anything to stop
        sys.exit(130)


def start(settings: Settings, commands: dict[str, str], lock: int) -> None:
    """Run the release command, then everything else until a signal comes."""
    require_guarded_flower(settings)
    runtime.require_free_ports(settings)
    ours = runtime.choose_addresses(settings)
    settings = load_settings()
    env = environment(settings)
    api_key = release(commands.pop("release", "true"), env)
    others = {name for name, variable in SERVES.items() if variable not in ours}
    wanted = {name: command for name, command in commands.items() if name not in others}
    wanted |= further_workers(settings.worker_processes, wanted.get("worker"))
    Supervisor(settings, wanted, env, lock, api_key).run()


def require_guarded_flower(settings: Settings) -> None:
    """Raise SettingsError when Flower, which can stop jobs, would be open to other machines."""
    if settings.exposed and not settings.flower_basic_auth:
        raise SettingsError(
            f"FLOWER_BASIC_AUTH: must be user:password when HOST is {settings.host}, because Flower can stop jobs."
        )


def environment(settings: Settings) -> dict[str, str]:
    """What the commands of the Procfile find in their environment; FLOWER_… are Flower's own options."""
    flower_auth = settings.flower_basic_auth
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "DATA_DIR": str(settings.data_dir),
        "HOST": settings.host,
        "PORT": str(settings.port),
        "WEB_CONCURRENCY": str(settings.web_concurrency),
        "REDIS_URL": settings.redis_url,
        "LOCAL_BASE_URL": settings.local_base_url,
        "FLOWER_ADDRESS": settings.host,
        "FLOWER_PORT": str(settings.flower_port),
        **({"FLOWER_BASIC_AUTH": flower_auth.get_secret_value()} if flower_auth else {}),
    }


def further_workers(processes: int, command: str | None) -> dict[str, str]:
    """The workers after the first. Each has a name of its own, as Celery needs where several run on one host."""
    names = [f"worker{number}" for number in range(2, processes + 1)] if command else []
    return {name: f"{command} --hostname {name}@%h" for name in names}


def release(command: str, env: dict[str, str]) -> str | None:
    """Run what must come before all, showing what it prints; returns the API key if it made one."""
    api_key = None
    with subprocess.Popen(leashed(command), env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            label, _, value = line.partition("API key:")
            api_key = value.strip() if not label.strip() and value else api_key
    if process.returncode:
        raise SystemExit(process.returncode)
    return api_key


class Supervisor:
    """All children of one copy, and the terminal they share."""

    def __init__(
        self, settings: Settings, commands: dict[str, str], env: dict[str, str], lock: int, api_key: str | None
    ) -> None:
        self._settings = settings
        self._api_key = api_key
        self._signals = 0
        self._printing = threading.Lock()
        self._printer = Printer(sys.stdout, width=max(len(name) for name in commands))
        self._colours = dict(zip(commands, get_colours(), strict=False))
        self._children = [Child(name, command, env, self.say, [lock]) for name, command in commands.items()]

    def run(self) -> None:
        """Start all children, wait for a signal, stop them; a second signal stops them at once."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)
        for child in self._children:
            child.start()
        if any(child.name == "web" for child in self._children):
            threading.Thread(target=self._announce, daemon=True).start()
        while not self._signals:
            time.sleep(0.05)
        self._stop()

    def say(self, name: str, line: str | bytes) -> None:
        """Print a line under its process's name."""
        message = Message("line", line, datetime.datetime.now(), name, self._colours.get(name))
        with self._printing, suppress(OSError):  # a closed terminal must not keep us from stopping
            self._printer.write(message)

    def _note(self, _number: int, _frame: object) -> None:
        self._signals += 1

    def _stop(self) -> None:
        self.say("", "Stopping everything; once more to stop it at once.")
        stop_all([child for child in self._children if child.name not in LAST], STOP_SECONDS, lambda: self._signals > 1)
        stop_all(
            [child for child in self._children if child.name in LAST], STOP_LAST_SECONDS, lambda: self._signals > 1
        )
        self.say("", "Everything has stopped.")

    def _announce(self) -> None:
        while not self._signals:
            if ready(self._settings):
                with self._printing, suppress(OSError):
                    print(banner(self._settings, self._api_key), flush=True)
                return
            time.sleep(0.25)


def ready(settings: Settings) -> bool:
    """Whether the web server says that database and Redis answer it."""
    connection = HTTPConnection(_reachable(settings.host), settings.port, timeout=30)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def banner(settings: Settings, api_key: str | None) -> str:
    """Where everything is."""
    host = _reachable(settings.host)
    lines = [
        ("Holdfast", f"http://{host}:{settings.port}"),
        ("API docs", f"http://{host}:{settings.port}/api/docs"),
        ("Flower", f"http://{host}:{settings.flower_port}"),
        ("REDIS_URL", settings.redis_url),
        *([("API key", f"{api_key}  (shown this once)")] if api_key else []),
    ]
    body = "\n".join(f"  {name:<10} {value}" for name, value in lines)
    return f"\n{body}\n\n  Ctrl-C stops everything.\n"


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", "::", "localhost"} else host  # noqa: S104 - compared, not bound


if __name__ == "__main__":
    main()
