"""Ready clients in environments of their own, pointed at a running copy by configuration only.

    python -m tests.responses.ready_clients

starts a copy with the scripted provider, asks it through each client and shows what came. Their packages come from the
package registry, which is why no test does this.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.stack import running_stack

MODEL = "scripted/echo"
HELLO = "Hello from a ready client"


@dataclass(frozen=True, slots=True)
class Client:
    """A command of the first of some packages; `{url}` and `{key}` stand for what it is to be told."""

    packages: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


CLIENTS = (
    # OpenAI's SDK, 2.x.
    Client(
        ("shell-gpt==1.5.1", "click"),  # which it forgets to ask for
        ("sgpt", "--no-md", "--no-cache", HELLO),
        {
            "API_BASE_URL": "{url}/v1",
            "OPENAI_API_KEY": "{key}",
            "DEFAULT_MODEL": MODEL,
            "OPENAI_USE_FUNCTIONS": "false",
        },
    ),
    # Chat completions by Pydantic AI.
    Client(
        ("clai>=2,<3",),
        ("clai", "-m", f"openai-chat:{MODEL}", HELLO),
        {"OPENAI_BASE_URL": "{url}/v1", "OPENAI_API_KEY": "{key}"},
    ),
    # Responses by the same.
    Client(
        ("clai>=2,<3",),
        ("clai", "-m", f"openai-responses:{MODEL}", HELLO),
        {"OPENAI_BASE_URL": "{url}/v1", "OPENAI_API_KEY": "{key}"},
    ),
)


def main() -> int:
    """Ask through each client; how many did not bring what was said."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_stack(folder / "stack", f"sqlite:///{folder}/holdfast.db", DEFAULT_MODEL=MODEL) as stack:
            with stack.user() as user:
                key = user.headers["Authorization"].removeprefix("Bearer ")
            return sum(not asked(client, {"url": stack.url, "key": key}, folder) for client in CLIENTS)


def asked(client: Client, told: Mapping[str, str], folder: Path) -> bool:
    """Whether it printed what the model was to say; shows the command and its output."""
    tools = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    package, *besides = client.packages
    install = [sys.executable, "-m", "uv", "tool", "install", "--quiet", package]
    install += [argument for name in besides for argument in ("--with", name)]
    subprocess.run(install, env=os.environ | tools, check=True)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    command, *arguments = client.command
    done = subprocess.run(
        [str(folder / "bin" / command), *arguments],
        env=os.environ
        | {"HOME": str(home), "NO_COLOR": "1"}
        | {name: value.format(**told) for name, value in client.environment.items()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    print(f"$ {' '.join(client.command)}\n{done.stdout}{done.stderr if done.returncode else ''}")
    return done.returncode == 0 and HELLO in done.stdout


if __name__ == "__main__":
    sys.exit(main())
