"""`llm-comply`, a stranger's tests of these formats, against a running server: all that applies passes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import sqlite_copy
from tests.provider.process import ProviderProcess
from tests.support.stack import Stack, running_stack

# Calls the function that it is told to call, and sees images.
MODEL = "openai/fake-t5-obey"
# What it skips by itself, by the model's name; docs/openai.md has the reason.
NOT_HERE = {"open-responses": {"reasoning-summary"}, "openai-chat": {"chat-reasoning-summary"}}


@pytest.fixture(scope="module")
def stack(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("comply")
    with ProviderProcess(folder / "calls.jsonl") as provider:
        settings = {"OPENAI_BASE_URL": f"{provider.url}/v1", "OPENAI_API_KEY": "sk-fake", "DEFAULT_MODEL": MODEL}
        with running_stack(folder / "stack", sqlite_copy(migrated, folder), **settings) as running:
            yield running


@pytest.mark.parametrize("style", NOT_HERE)
def test_all_that_applies_passes(stack: Stack, style: str) -> None:
    with stack.user(f"{style}@example.com") as client:
        key = client.headers["Authorization"].removeprefix("Bearer ")
    command = [sys.executable, "-m", "llm_comply.cli", "--format", style, "--json"]
    command += ["--base-url", f"{stack.url}/v1", "--api-key", key, "--model", MODEL]
    done = subprocess.run(command, env=stack.env, capture_output=True, text=True, timeout=100, check=False)
    results: list[dict[str, Any]] = json.loads(done.stdout)["results"]
    assert len(results) > 8
    assert {one["id"]: one for one in results if one["status"] not in {"passed", "skipped"}} == {}
    assert {one["id"] for one in results if one["status"] == "skipped"} == NOT_HERE[style]
