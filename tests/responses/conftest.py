"""OpenAI's own SDK as the client: a stack for all tests of a module, users of it, and people for requests by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar
from uuid import uuid4

import httpx2 as httpx
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.api.conftest import ada, app, ben, make_app, traces
from tests.conftest import postgres_copy, sqlite_copy
from tests.support.stack import Stack, running_stack

__all__ = ["ada", "app", "ben", "make_app", "traces"]

T = TypeVar("T")
Run = Callable[[Callable[[AsyncOpenAI], Awaitable[T]]], T]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Valkey, web and one worker, once on SQLite and once on PostgreSQL; they answer with the scripted provider."""
    folder = tmp_path_factory.mktemp("stack")
    if request.param == "sqlite":
        url = sqlite_copy(request.getfixturevalue("migrated"), folder)
    else:
        url = postgres_copy(request.getfixturevalue("postgres"), request.getfixturevalue("migrated_postgres"))
    with running_stack(folder, url, DEFAULT_MODEL="scripted/echo") as running:
        yield running


@pytest.fixture
def raw(stack: Stack) -> Iterator[httpx.Client]:
    """A new user of it, by plain HTTP."""
    with stack.user(f"{uuid4().hex}@example.com") as client:
        yield client


@pytest.fixture
def client(stack: Stack, raw: httpx.Client) -> Iterator[OpenAI]:
    """The same user, with OpenAI's SDK."""
    with sdk(stack, raw) as client:
        yield client


@pytest.fixture
def run(stack: Stack, raw: httpx.Client) -> Run[Any]:
    """`run(f)` is what `await f(client)` returns, with OpenAI's asynchronous SDK for the same user."""

    def run(work: Callable[[AsyncOpenAI], Awaitable[T]]) -> T:
        async def all_of_it() -> T:
            async with AsyncOpenAI(**_where(stack, raw)) as client:
                return await work(client)

        return asyncio.run(all_of_it())

    return run


def sdk(stack: Stack, raw: httpx.Client, **more: Any) -> OpenAI:
    """OpenAI's SDK for a user of a stack."""
    return OpenAI(**(_where(stack, raw) | more))


def _where(stack: Stack, raw: httpx.Client) -> dict[str, Any]:
    key = raw.headers["Authorization"].removeprefix("Bearer ")
    return {"base_url": f"{stack.url}/v1", "api_key": key, "max_retries": 0, "timeout": 30}
