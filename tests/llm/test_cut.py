"""Cutting a call from another thread: whatever it is blocked in, it ends at once and says why."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from app.config import Settings
from app.llm import wire
from app.llm.call import Call
from app.llm.errors import CallCut, StreamCut
from app.llm.providers import resolve
from app.llm.types import Delta, ModelRequest, Turn
from tests.llm.conftest import DIALECTS, Ask, whole
from tests.provider import FakeProvider

AT_ONCE = 0.5

both = pytest.mark.parametrize("dialect", DIALECTS)


@contextlib.contextmanager
def cut_after(call: Call, seconds: float) -> Iterator[None]:
    """Cut `call` so long into the block, which has to raise CallCut at once after that."""
    moments: list[float] = []

    def cut() -> None:
        moments.append(time.monotonic())
        call.cut("cancelled")

    timer = threading.Timer(seconds, cut)
    timer.start()
    with pytest.raises(CallCut) as caught:
        yield
    timer.join()
    assert caught.value.reason == "cancelled"
    assert time.monotonic() - moments[0] < AT_ONCE


@both
@pytest.mark.parametrize("model", ["fake-first9000", "fake-silence-at0", "fake-t20-silence", "fake-t500-r50"])
def test_a_cut_ends_a_blocked_read(dialect: str, model: str, ask: Ask, provider: FakeProvider) -> None:
    call = Call(60, 60)
    model = f"{model}-x{9 + DIALECTS.index(dialect)}"  # a name of its own in the log
    with cut_after(call, 0.3):
        ask(f"{dialect}/{model}", call=call)
    assert provider.calls.wait_for("closed", model, seconds=AT_ONCE)[0]["by"] == "client"


@both
def test_a_call_that_is_cut_before_it_begins_sends_nothing(dialect: str, ask: Ask, provider: FakeProvider) -> None:
    call, model = Call(60, 60), f"fake-t{33 + DIALECTS.index(dialect)}"
    call.cut("deadline")
    with pytest.raises(CallCut, match="deadline"):
        ask(f"{dialect}/{model}", call=call)
    assert provider.calls.lines("request", model) == []


@both
def test_who_wants_no_more_has_the_connection_closed_and_gets_back_what_it_raised(
    dialect: str, settings: Settings, provider: FakeProvider
) -> None:
    source, model = resolve(settings, f"{dialect}/fake-t{900 + DIALECTS.index(dialect)}-r50")

    def enough(_: Delta) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        source.stream(ModelRequest(model.name, (Turn("user", "hi"),)), Call(60, 60), enough)
    assert provider.calls.wait_for("closed", model.name, seconds=AT_ONCE)[0]["by"] == "client"


def test_a_cut_ends_a_handshake_that_hangs(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://127.0.0.1:{mute.getsockname()[1]}/v1"
        source, model = resolve(settings.model_copy(update={"openai_base_url": url}), "openai/fake")
        call = Call(60, 60)
        with cut_after(call, 0.3):
            whole(source, ModelRequest(model.name, (Turn("user", "hi"),)), call)


@both
def test_a_cut_ends_a_blocked_read_under_tls(dialect: str, settings: Settings, tls: ssl.SSLContext) -> None:
    with FakeProvider(tls=tls) as secure:
        urls = {"openai_base_url": secure.openai_url, "anthropic_base_url": secure.anthropic_url}
        source, model = resolve(settings.model_copy(update=urls), f"{dialect}/fake-t20-silence")
        call = Call(60, 60)
        with cut_after(call, 0.5):
            whole(source, ModelRequest(model.name, (Turn("user", "hi"),)), call)
        assert secure.calls.wait_for("closed", model.name)[0] == secure.calls.lines("closed")[0]


def test_no_call_leaves_a_descriptor_open(ask: Ask, provider: FakeProvider) -> None:
    model = "fake-t1-fin"
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(StreamCut):
            ask(f"openai/{model}")
    provider.calls.wait_for("closed", model, 20)
    assert len(os.listdir("/proc/self/fd")) <= before + 2  # the provider's ends may still be closing


def test_one_tls_context_serves_the_whole_process() -> None:
    assert wire._tls() is wire._tls()
