"""Chat completions whose reader leaves, whose worker dies, whose server restarts, or whose key is revoked."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import openai
import pytest

from tests.proxy import Proxy
from tests.responses.completing import MODEL, SLOW, WORDS, listed, user
from tests.responses.served import Caller, caller, calling
from tests.support.stack import Stack, until

__all__ = ["caller"]  # a fixture


def test_who_leaves_stops_nothing(caller: Caller) -> None:
    chunks = caller.openai.chat.completions.create(model=MODEL, messages=[user(SLOW)], stream=True)
    first = next(iter(chunks))
    chunks.close()
    behind = caller.behind(first.id)
    assert caller.ended(behind["id"])["content"] == WORDS
    assert caller.openai.responses.retrieve(first.id.replace("chatcmpl-", "resp_")).output_text == WORDS


def test_a_killed_worker_repeats_and_loses_nothing(stack: Stack, caller: Caller) -> None:
    got = list[str]()
    chunks = caller.openai.chat.completions.create(model=MODEL, messages=[user(SLOW)], stream=True)
    for chunk in chunks:
        got += [choice.delta.content or "" for choice in chunk.choices]
        if len(got) == 10:
            stack.kill("worker")
            stack.start_worker()
    assert "".join(got) == WORDS
    assert caller.behind(chunk.id)["attempt"] == 2


def test_a_killed_worker_costs_one_who_waits_time_alone(stack: Stack, caller: Caller) -> None:
    def kill() -> None:
        time.sleep(0.5)
        stack.kill("worker")
        stack.start_worker()

    killer = threading.Thread(target=kill)
    killer.start()
    made = caller.openai.chat.completions.create(model=MODEL, messages=[user(SLOW)])
    killer.join()
    assert made.choices[0].message.content == WORDS


@pytest.fixture
def proxy(stack: Stack) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", stack.port) as proxy:
        yield proxy


def _heal_after_one(proxy: Proxy) -> None:
    until(lambda: proxy.connections == 1 and not proxy.open)
    proxy.heal()


def test_the_sdks_own_retry_comes_to_the_same_reply(stack: Stack, proxy: Proxy) -> None:
    with calling(stack, f"http://127.0.0.1:{proxy.port}") as ben:
        proxy.drop_responses()
        healer = threading.Thread(target=_heal_after_one, args=[proxy])
        healer.start()
        made = ben.openai.chat.completions.create(model=MODEL, messages=[user("Hello")], store=True)
        healer.join()
        assert proxy.connections > 1
        assert made.choices[0].message.content == "Hello"
        assert listed(ben) == [ben.behind(made.id)["thread_id"]]


def test_who_waits_while_the_server_restarts_gets_the_same_reply(stack: Stack, caller: Caller) -> None:
    def restart() -> None:
        until(lambda: listed(caller), what="the reply's thread")
        stack.kill("web", signal.SIGTERM)
        stack.start_web()

    restarter = threading.Thread(target=restart)
    restarter.start()
    patient = caller.openai.with_options(max_retries=30)
    made = patient.chat.completions.create(model=MODEL, messages=[user(SLOW)], store=True)
    restarter.join()
    assert made.choices[0].message.content == WORDS
    assert listed(caller) == [caller.behind(made.id)["thread_id"]]


def test_a_revoked_key_ends_its_streams(caller: Caller) -> None:
    made = caller.api.post("/api/keys", json={"name": "to revoke"}).json()
    asking = caller.openai.with_options(api_key=made["key"])
    chunks = asking.chat.completions.create(model=MODEL, messages=[user("!delay 0.1\n!words 100")], stream=True)
    first = next(iter(chunks))
    caller.api.delete(f"/api/keys/{made['id']}")
    began = time.monotonic()
    with pytest.raises(openai.APIError, match="interrupted"):
        list(chunks)
    assert time.monotonic() - began < 5
    assert caller.behind(first.id)["status"] == "processing"
