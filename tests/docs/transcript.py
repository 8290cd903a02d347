"""Makes docs/transcript.md: one reply that calculates, fetches, waits across a restart of everything, asks, is approved
and ends; told by its own event stream, with its receipt. `make transcript` runs it."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.support.copy import ROOT
from tests.support.reader import sse
from tests.support.serving import Quiet, serving
from tests.support.stack import Stack, running_stack, until

DOCUMENT = ROOT / "docs" / "transcript.md"
BEGIN, END = "<!-- written by make transcript -->", "<!-- end -->"
SERVER = ROOT / "tests" / "tools" / "mcp_server.py"
PAGE = b"<!doctype html><title>Opening hours</title><p>The library opens at nine.</p><script>ignored()</script>"
SCRIPT = """\
Let me calculate.
!tool calculator {{"expression": "6 * 7"}}
!step
Now the page.
!tool fetch_url {{"url": "{page}"}}
!step
A short break.
!tool wait {{"seconds": 5, "reason": "a break"}}
!step
One question.
!tool ask_user {{"question": "Shall I erase the notes?", "options": ["yes", "no"]}}
!step
Then I need your consent.
!tool files__erase {{"path": "notes.txt"}}
!step
All that I was told:
!results
"""
TOOLS = ["calculator", "fetch_url", "wait", "ask_user", "files__*"]
SECONDS = 60.0  # for any one of the things that are waited for
RESTART = ("web", "worker", "valkey")


class Page(Quiet):
    """The local server's one page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)


class Story:
    """What happened, in order, with the seconds since the post."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._began = time.monotonic()
        self._text = ""
        self._lock = threading.Lock()

    def tell(self, what: str) -> None:
        """One line."""
        with self._lock:
            self._flush()
            self.lines.append(f"{time.monotonic() - self._began:7.2f} s  {what}")

    def say(self, text: str) -> None:
        """A delta; neighbours become one line."""
        with self._lock:
            self._text += text

    def _flush(self) -> None:
        if self._text:
            self.lines.append(f"           message.delta {json.dumps(self._text)}")
            self._text = ""


class Reader:
    """Follows the reply, and comes back with its last cursor whenever it is cut."""

    def __init__(self, client: httpx.Client, message_id: str, story: Story) -> None:
        self._client = client
        self._path = f"/api/messages/{message_id}/events"
        self._story = story
        self._cursor: str | None = None
        self.seen: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def has(self, type_: str, count: int = 1) -> bool:
        """Whether so many events of that type have come."""
        return sum(event["type"] == type_ for event in self.seen) >= count

    def _follow(self) -> None:
        while not self.has("message.completed"):
            try:
                self._read()
            except (httpx.TransportError, AssertionError):  # it is being restarted
                time.sleep(0.1)  # before it asks again

    def _read(self) -> None:
        for event, cursor in sse(self._client, self._path, self._cursor):
            self._cursor = cursor or self._cursor
            self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        if event["type"] == "message.delta":
            self._story.say(event["text"])
        else:
            self._story.tell(f"{event['type']} {_shown(event)}".rstrip())
        self.seen.append(event)


def _shown(event: dict[str, Any]) -> str:
    """What a line has of an event."""
    if "invocation" in event:
        call = event["invocation"]
        came = call["result"] if call["result"] is not None else call["error"]
        return f"{call['name']} {json.dumps(call['arguments'])}" + (f" → {json.dumps(came)}" if came else "")
    if "message" in event:
        return f"{event['message']['status']}, {event['message']['total_tokens']} tokens"
    left = {name: value for name, value in event.items() if name not in {"type", "thread_id", "message_id"}}
    return json.dumps(left, ensure_ascii=False)


@contextmanager
def page() -> Iterator[str]:
    """The address of the local page."""
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Page)) as server:
        yield f"127.0.0.1:{server.server_address[1]}"


def restart(stack: Stack, story: Story) -> None:
    """Stop every process, then start them all."""
    for name in RESTART:
        stack.kill(name, signal.SIGTERM)
    story.tell("— web, worker and Valkey are stopped, and started again —")
    stack.start_valkey()
    stack.start_web()
    stack.start_worker()


def answer(client: httpx.Client, reply_id: str, story: Story, **given: Any) -> None:
    """Answer what the reply asks."""
    action = client.get(f"/api/messages/{reply_id}").json()["required_action"]
    if action["type"] == "approval":
        given = {"decisions": [{"id": call["id"], "approve": True} for call in action["tool_invocations"]]}
    sent = client.post(f"/api/messages/{reply_id}/input", json={"action_id": action["id"], **given})
    assert sent.status_code == 202, sent.text
    story.tell(f"POST …/input {json.dumps(given)} → {sent.status_code}")


def play(stack: Stack, address: str) -> tuple[Story, dict[str, Any], dict[str, Any]]:
    """The whole reply; returns the story, the message and its receipt."""
    with stack.user() as client:
        story = Story()
        body = {"content": SCRIPT.format(page=f"http://{address}/"), "tools": TOOLS}
        posted = client.post("/api/messages", json=body)
        assert posted.status_code == 202, posted.text
        reply_id = posted.json()["reply"]["id"]
        story.tell(f"POST /api/messages → {posted.status_code}")
        reader = Reader(client, reply_id, story)
        until(lambda: reader.has("message.waiting"), SECONDS, "the wait")
        restart(stack, story)
        until(lambda: reader.has("message.requires_action"), SECONDS, "the question")
        answer(client, reply_id, story, content="yes")
        until(lambda: reader.has("message.requires_action", 2), SECONDS, "the approval")
        answer(client, reply_id, story)
        until(lambda: reader.has("message.completed"), SECONDS, "the end")
        message = client.get(f"/api/messages/{reply_id}").json()
        receipt = client.get(f"/api/messages/{reply_id}/receipt").json()
    return story, message, receipt


def document(story: Story, message: dict[str, Any], receipt: dict[str, Any]) -> str:
    """What stands between the marks."""
    for step in receipt["steps"]:
        step["offered"] = [each["name"] for each in step["offered"] or () if each["offered"]]
    parts = [
        ("What happened", "text", "\n".join(story.lines)),
        ("The reply", "text", message["content"]),
        ("Its receipt", "json", json.dumps(receipt, indent=2, ensure_ascii=False)),
    ]
    return "\n\n".join(f"## {title}\n\n```{kind}\n{text}\n```" for title, kind, text in parts)


def main() -> None:
    """Play it and write the document."""
    with tempfile.TemporaryDirectory() as folder, page() as address:
        servers = Path(folder) / "mcp.json"
        files = {"command": sys.executable, "args": [str(SERVER), "stdio"]}
        servers.write_text(json.dumps({"servers": {"files": files}}))
        url = f"sqlite:///{folder}/holdfast.db"
        with running_stack(Path(folder) / "copy", url, FETCH_HOSTS=address, MCP_CONFIG=str(servers)) as stack:
            told = document(*play(stack, address))
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{told}\n\n{END}{rest.partition(END)[2]}")
    print(f"{DOCUMENT.relative_to(ROOT)} is written")


if __name__ == "__main__":
    main()
