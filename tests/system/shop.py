"""A scene with a tool server, and what its tests do to replies that call tools, wait and ask."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients import Posted, SseReply
from tests.support.copy import ROOT
from tests.support.stack import until
from tests.system.scene import MakeScene, Scene, User

MODEL = "scripted/echo"
PROGRAM = ROOT / "tests" / "support" / "tool_server.py"
TOOLS = ["shop__*", "wait", "ask_user", "calculator"]


@dataclass(frozen=True, slots=True)
class Shop:
    """A scene whose workers have a tool server, and that server's own log."""

    scene: Scene
    log: Path

    def ran(self, token: str) -> int:
        """How often a tool ran with this token."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return Counter(json.loads(line)["token"] for line in lines)[token]

    def post(self, user: User, *parts: str, **more: Any) -> tuple[Posted, SseReply]:
        """Post a script, one part for each model call, and watch its reply."""
        posted = self.scene.post(user, "\n!step\n".join(parts), model=MODEL, tools=TOOLS, **more)
        return posted, self.scene.watch(user, posted).sse


@contextmanager
def open_shop(make_scene: MakeScene, folder: Path, **settings: Any) -> Iterator[Shop]:
    """A scene with a tool server; the checker reads what really ran."""
    log, config = folder / "ran.jsonl", folder / "mcp.json"
    log.touch()
    server = {"command": sys.executable, "args": ["-P", str(PROGRAM), str(log)], "approval": ["erase"]}
    config.write_text(json.dumps({"servers": {"shop": server}}))
    with make_scene(MCP_CONFIG=str(config), **settings) as scene:
        scene.evidence += ["--tools", str(log)]
        yield Shop(scene, log)


def call(name: str, /, **arguments: Any) -> str:
    """The directive that calls a tool."""
    return f"!tool {name} {json.dumps(arguments)}"


def stored(user: User, posted: Posted) -> dict[str, Any]:
    """The reply as the web process shows it."""
    found: dict[str, Any] = user.client.get(f"/api/messages/{posted.id}").json()
    return found


def reach(user: User, posted: Posted, status: str) -> dict[str, Any]:
    """The reply once it has come to this status."""

    def look() -> dict[str, Any] | None:
        found = stored(user, posted)
        return found if found["status"] == status else None

    found: dict[str, Any] = until(look, 30, f"the status {status}")
    return found


def answer(user: User, posted: Posted, action_id: str, **given: Any) -> int:
    """Answer what a reply asks; the status of that."""
    return user.client.post(f"/api/messages/{posted.id}/input", json={"action_id": action_id, **given}).status_code


def assert_whole(posted: Posted, reader: SseReply, user: User, text: str) -> dict[str, Any]:
    """Completed with this text, which the reader has too; returns what is stored."""
    found = stored(user, posted)
    assert (found["status"], found["content"]) == ("completed", text), found
    assert reader.text(posted.id) == text
    return found
