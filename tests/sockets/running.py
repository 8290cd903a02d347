"""A web process with a worker, for the tests of a module, and who asks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.conftest import sqlite_copy
from tests.support.stack import Stack, running_stack

SETTINGS = {"DEFAULT_MODEL": "scripted/echo"}


@pytest.fixture(scope="module")
def stack(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("sockets")
    with running_stack(folder, sqlite_copy(migrated, folder), **SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def user(stack: Stack) -> Iterator[httpx.Client]:
    with stack.user() as client:
        yield client


def socket_url(port: int) -> str:
    return f"ws://127.0.0.1:{port}/ws"


def key_of(user: httpx.Client) -> dict[str, str]:
    return {"Authorization": user.headers["Authorization"]}


def logged(stack: Stack, event: str) -> list[dict[str, Any]]:
    """The web process's log lines of this kind."""
    lines = stack.log("web").read_text().splitlines()
    return [found for line in lines if f'"{event}"' in line for found in [json.loads(line)] if found["event"] == event]
