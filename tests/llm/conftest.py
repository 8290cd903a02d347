from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.config import Settings
from app.llm import providers, wire
from app.llm.call import Call, Watch
from app.llm.types import Delta, Finished, ModelRequest, Provider, TextDelta, Turn
from tests.llm.certificate import self_signed
from tests.provider import FakeProvider

KEY = "sk-test-canary"
PROMPT = "Please keep my prompt-canary to yourself."
DIALECTS = ("openai", "anthropic")

Chunk = Delta | Finished
Ask = Callable[..., list[Chunk]]


@pytest.fixture(scope="session")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as fake:
        yield fake


@pytest.fixture(scope="session")
def watch() -> Watch:
    return Watch(interval_seconds=0.02)


@pytest.fixture
def settings(provider: FakeProvider) -> Settings:
    """Every provider at the fake, whatever this machine's environment says."""
    return Settings(
        openai_base_url=provider.openai_url,
        openai_api_key=SecretStr(KEY),
        anthropic_base_url=provider.anthropic_url,
        anthropic_api_key=SecretStr(KEY),
        deepseek_base_url=provider.openai_url,
        deepseek_api_key=SecretStr(KEY),
        local_base_url=provider.openai_url,
        scripted=True,
        models=[],
        default_model="",
    )


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """For a server whose certificate calls trust."""
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    wire._tls.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    yield context
    wire._tls.cache_clear()


@pytest.fixture
def ask(settings: Settings, watch: Watch) -> Ask:
    """One whole model call, watched: `ask(model_id, text or turns, call, **request)` gives its chunks."""
    providers.prepare(settings)  # as a worker does when it starts

    def asked(
        model_id: str, prompt: str | tuple[Turn, ...] = PROMPT, call: Call | None = None, **request: Any
    ) -> list[Chunk]:
        source, model = providers.resolve(settings, model_id)
        turns = (Turn("user", prompt),) if isinstance(prompt, str) else prompt
        with watch.over(call or Call(first_token_seconds=10, between_tokens_seconds=10)) as watched:
            return whole(source, ModelRequest(model.name, turns, **request), watched)

    return asked


def whole(source: Provider, request: ModelRequest, call: Call | None = None) -> list[Chunk]:
    """All that a call says, its last word too."""
    said: list[Chunk] = []
    last = source.stream(request, call or Call(10, 10), said.append)
    return [*said, last]


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


def finished(chunks: list[Chunk]) -> Finished:
    """The last chunk, which is the only one of its kind."""
    assert [isinstance(chunk, Finished) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert isinstance(chunks[-1], Finished)
    return chunks[-1]


def words(count: int) -> str:
    return " ".join(f"w{number}" for number in range(1, count + 1))
