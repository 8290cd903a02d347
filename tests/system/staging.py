"""What stands on the scene: the processes, where they listen, and what they are told of each other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from tests.provider.process import ProviderProcess
from tests.proxy import Proxy
from tests.support.copy import ROOT
from tests.support.stack import Stack

MODEL = "openai/fake-t20-r50"
MODEL_KEY = "sk-fake-canary"  # the fake provider quotes it in its errors; it must turn up nowhere


class SceneStack(Stack):
    """A stack whose logs have a folder of their own, and whose Valkey listens where the proxy expects it."""

    def log(self, name: str) -> Path:
        """Where a process's output goes."""
        return self.folder / "logs" / f"{name}.log"

    def start(self, name: str, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        """Start a process; only Valkey must know its real address."""
        return super().start(name, *arguments, **env, **({"REDIS_URL": self.redis_url} if name == "valkey" else {}))


def targets(stack: Stack, provider: ProviderProcess) -> dict[str, int]:
    """The ports that a proxy can stand before; a SQLite file has none."""
    database = make_url(stack.database_url).port
    ports = {"redis": stack.redis_port, "web": stack.port, "provider": provider.port}
    return ports | ({"database": database} if database is not None else {})


def addresses(stack: Stack, provider: ProviderProcess, proxies: dict[str, Proxy]) -> dict[str, str]:
    """The settings that say where the others are, by way of their proxies."""
    model_port = proxies["provider"].port if "provider" in proxies else provider.port
    found = {
        "OPENAI_BASE_URL": f"http://127.0.0.1:{model_port}/v1",
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{model_port}",
        "OPENAI_API_KEY": MODEL_KEY,
        "ANTHROPIC_API_KEY": MODEL_KEY,
        "DEFAULT_MODEL": MODEL,
    }
    if "redis" in proxies:
        found["REDIS_URL"] = f"redis://127.0.0.1:{proxies['redis'].port}/0"
    if "database" in proxies:
        url = make_url(stack.database_url).set(host="127.0.0.1", port=proxies["database"].port)
        found["DATABASE_URL"] = url.render_as_string(hide_password=False)
    return found


def start(stack: Stack, workers: int) -> None:
    stack.start_valkey()
    stack.setup()
    stack.start_web()
    for number in range(1, workers + 1):
        stack.start_worker("worker" if number == 1 else f"worker{number}")


def checked(stack: Stack, provider: ProviderProcess, transcripts: Path, more: list[str]) -> tuple[int, str]:
    """The checker's exit code and what it printed. It goes to the stores directly, whatever their proxies do."""
    command = [sys.executable, "-m", "flask", "--app", "app", "check", "--transcripts", str(transcripts)]
    command += ["--provider", str(provider.calls), "--logs", str(stack.log("web").parent), *more]
    env = stack.env | {"DATABASE_URL": stack.database_url, "REDIS_URL": stack.redis_url}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, f"{done.stdout}\n{done.stderr}"


@contextmanager
def armed(stack: Stack, rules: str) -> Iterator[None]:
    """What is started in this block has these failpoints."""
    stack.settings["FAILPOINTS"] = rules
    try:
        yield
    finally:
        del stack.settings["FAILPOINTS"]
