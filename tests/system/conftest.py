"""A stack that several tests share, because none of them harms it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.conftest import postgres_copy, sqlite_copy
from tests.support.stack import Stack, running_stack


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Valkey, web and one worker, once on SQLite and once on PostgreSQL."""
    folder = tmp_path_factory.mktemp("stack")
    if request.param == "sqlite":
        url = sqlite_copy(request.getfixturevalue("migrated"), folder)
    else:
        url = postgres_copy(request.getfixturevalue("postgres"), request.getfixturevalue("migrated_postgres"))
    with running_stack(folder, url) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    """A new user of it."""
    with stack.user(f"{uuid4().hex}@example.com") as client:
        yield client
