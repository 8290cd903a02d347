"""Somebody who calls a running server through both of its surfaces; a test module imports the fixture `caller`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest
from openai import OpenAI

from tests.support.stack import Stack, until

ENDED = {"completed", "failed", "cancelled"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a key: `openai` is a client of /v1, `api` one of /api."""

    url: str
    key: str
    openai: OpenAI
    api: httpx.Client

    def message(self, id_: str | UUID) -> dict[str, Any]:
        """A message as /api shows it."""
        return dict(self.api.get(f"/api/messages/{id_}").raise_for_status().json())

    def behind(self, completion_id: str) -> dict[str, Any]:
        """The reply behind a chat completion."""
        return self.message(UUID(completion_id.removeprefix("chatcmpl-")))

    def ended(self, id_: str | UUID, seconds: float = 30) -> dict[str, Any]:
        """A message once its reply has ended."""
        return dict(until(lambda: (m := self.message(id_))["status"] in ENDED and m, seconds, "the reply's end"))

    def texts(self, thread_id: str) -> list[tuple[str, str]]:
        """What is said on a thread's path."""
        found = self.api.get(f"/api/threads/{thread_id}/messages").raise_for_status().json()["data"]
        return [(message["role"], message["content"]) for message in found]


@pytest.fixture
def caller(stack: Stack) -> Iterator[Caller]:
    with calling(stack) as made:
        yield made


@contextmanager
def calling(stack: Stack, url: str | None = None) -> Iterator[Caller]:
    """Somebody new, whose SDK asks at `url`."""
    with stack.user(f"{uuid4().hex}@example.com") as api:
        key = api.headers["Authorization"].removeprefix("Bearer ")
        with OpenAI(base_url=f"{url or stack.url}/v1", api_key=key, timeout=60) as client:
            yield Caller(stack.url, key, client, api)
