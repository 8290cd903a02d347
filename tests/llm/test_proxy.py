"""Behind a proxy, which the usual variables name, providers are asked through it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from app.config import Settings
from app.llm import wire
from app.llm.call import Call
from app.llm.errors import CallCut, ProviderDown
from app.llm.providers import resolve
from app.llm.types import ModelRequest, Turn
from tests.llm.conftest import whole

REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Each of these tests is a process of its own to the calls, which look for a proxy once."""
    wire.is_proxied.cache_clear()
    yield
    wire.is_proxied.cache_clear()


def ask(settings: Settings, call: Call) -> None:
    aside = settings.model_copy(update={"openai_base_url": "http://provider.invalid/v1"})
    source, model = resolve(aside, "openai/fake")
    whole(source, ModelRequest(model.name, (Turn("user", "hi"),)), call)


@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
def test_the_proxy_is_asked(variable: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def serve(proxy: socket.socket) -> None:
        connection, _ = proxy.accept()
        with connection:
            asked.append(connection.recv(65_536))
            connection.sendall(REFUSAL)

    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        server = threading.Thread(target=serve, args=(proxy,))
        server.start()
        with pytest.raises(ProviderDown):
            ask(settings, Call(10, 10))
        server.join()
    assert asked[0].startswith(b"POST http://provider.invalid/v1/chat/completions HTTP/1.1\r\n")


def test_a_call_through_a_proxy_can_be_cut(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{mute.getsockname()[1]}")
        call = Call(60, 60)
        threading.Timer(0.3, call.cut, ("cancelled",)).start()
        began = time.monotonic()
        with pytest.raises(CallCut):
            ask(settings, call)
    assert time.monotonic() - began < 2


def test_without_one_the_name_is_looked_up_here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "example.com")
    for variable in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ProviderDown, match="could not be reached \\(ConnectError\\)"):
        ask(settings, Call(10, 10))
