"""The fake provider itself, as a process and under load."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.config import Settings
from app.llm.call import Call
from app.llm.errors import StreamCut
from app.llm.providers import resolve
from app.llm.types import Delta, ModelRequest, Turn
from tests.provider import FakeProvider
from tests.provider.behaviour import Behaviour
from tests.provider.process import ProviderProcess

ROOT = Path(__file__).resolve().parents[2]
STREAMS = 100


def say(url: str, model: str, prompt: str = "hi") -> str:
    source, known = resolve(Settings(openai_base_url=url, models=[]), f"openai/{model}")
    said: list[Delta] = []
    source.stream(ModelRequest(known.name, (Turn("user", prompt),)), Call(30, 30), said.append)
    return "".join(delta.text for delta in said)


def test_a_name_is_read_as_behaviour() -> None:
    behaviour = Behaviour.of("fake-t200-r50-first500-429ra2-x2")
    assert (behaviour.tokens, behaviour.rate, behaviour.first_ms, behaviour.times) == (200, 50, 500, 2)
    assert (behaviour.status, behaviour.retry_after) == (429, ("ra", 2))


@pytest.mark.parametrize("model", ["gpt-4o", "fake-nonsense", "fake-q7", "fake-299"])
def test_a_name_that_says_nothing_is_refused(model: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        Behaviour.of(model)


def test_a_hundred_streams_run_at_once_and_on_time() -> None:
    texts: list[str] = []
    with FakeProvider() as provider:

        def read() -> None:
            texts.append(say(provider.openai_url, "fake-t50-r50"))

        work = [threading.Thread(target=read) for _ in range(STREAMS)]
        start = time.monotonic()
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
        seconds = time.monotonic() - start
    assert texts == [" ".join(f"w{number}" for number in range(1, 51))] * STREAMS
    assert seconds < 10  # 1 s where nothing else runs


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("fault", ["rst", "fin", "clean"])
def test_a_cut_after_the_whole_text_still_lacks_the_terminal_marker(dialect: str, fault: str) -> None:
    model, said = f"fake-t3-at3-{fault}", list[Delta]()
    with FakeProvider() as provider:
        urls = {"openai_base_url": provider.openai_url, "anthropic_base_url": provider.anthropic_url}
        source, known = resolve(Settings(**urls, openai_api_key="k", anthropic_api_key="k"), f"{dialect}/{model}")
        with pytest.raises(StreamCut):
            source.stream(ModelRequest(known.name, (Turn("user", "hi"),)), Call(30, 30), said.append)
        [closed] = provider.calls.wait_for("closed", model)
    assert ("".join(delta.text for delta in said), closed["tokens"]) == ("w1 w2 w3", 3)


def test_as_a_process_it_prints_its_url_and_logs_every_call(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    command = [sys.executable, "-m", "tests.provider", "--port", "0", "--calls", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert say(f"{url}/v1", "fake-t3", "What I said") == "w1 w2 w3"
        process.terminate()
        assert process.wait(5) == 0
    asked, closed = (json.loads(line) for line in log.read_text().splitlines())
    assert asked["event"] == "request"
    assert asked["messages"] == [{"role": "user", "content": "What I said"}]
    assert (closed["event"], closed["call"], closed["tokens"]) == ("closed", asked["call"], 3)


def test_its_process_is_asked_for_its_calls(tmp_path: Path) -> None:
    with ProviderProcess(tmp_path / "calls.jsonl") as provider:
        assert provider.lines("request") == []
        assert say(f"{provider.url}/v1", "fake-t3", "one") == "w1 w2 w3"
        say(f"{provider.url}/v1", "fake-t2", "two\u2028lines")
        assert [call["tokens"] for call in provider.wait_for("closed", count=2)] == [3, 2]
        assert [call["messages"][0]["content"] for call in provider.lines("request", "fake-t2")] == ["two\u2028lines"]
        assert f":{provider.port}" in provider.url
    assert provider.process.returncode == 0
