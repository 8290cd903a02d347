"""The first token through `/v1` beside the one through `/api`, by turns: `python -m tests.responses.first_token`."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import httpx2 as httpx

from tests.support.stack import running_stack

ECHO = "scripted/echo"
SCRIPT = "!delay 0.005\nhello there you are"


def through_api(client: httpx.Client) -> float:
    """Milliseconds from posting a message to the first text of its event stream."""
    began = time.perf_counter()
    posted = client.post("/api/messages", json={"content": SCRIPT, "model": ECHO}).json()
    with client.stream("GET", f"/api/messages/{posted['reply']['id']}/events") as answer:
        return _first(answer, lambda event: event.get("text") or event["type"] == "message.completed", began)


def through_v1(client: httpx.Client) -> float:
    """Milliseconds from the request to the first delta of its stream."""
    began = time.perf_counter()
    with client.stream("POST", "/v1/responses", json={"input": SCRIPT, "model": ECHO, "stream": True}) as answer:
        return _first(answer, lambda event: event["type"] == "response.output_text.delta", began)


def _first(answer: httpx.Response, is_text: Callable[[dict[str, str]], object], began: float) -> float:
    found = [time.perf_counter() for event in _events(answer) if is_text(event)]
    return (found[0] - began) * 1000


def _events(answer: httpx.Response) -> Iterator[dict[str, str]]:
    for line in answer.iter_lines():
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


def main(times: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_stack(folder, f"sqlite:///{folder / 'first.db'}") as stack, stack.user() as client:
            pairs = [(through_api(client), through_v1(client)) for _ in range(times + 10)][10:]
    api, v1 = (sorted(figures) for figures in zip(*pairs, strict=True))
    for surface, figures in (("/api", api), ("/v1", v1)):
        print(f"{surface:5} median {median(figures):6.2f} ms, p95 {figures[int(len(figures) * 0.95)]:6.2f} ms")
    print(f"/v1 is later by {median(v1) - median(api):.2f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
