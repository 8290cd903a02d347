"""Ready clients, pointed at a running server by configuration only: the `llm` command, and by hand what is below.

`python -m tests.responses.ready_clients` shows more of them; each needs packages of its own, from the registry.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.responses.served import Caller, caller

__all__ = ["caller"]  # a fixture

Llm = Callable[..., str]

pytestmark = pytest.mark.parametrize("stack", ["sqlite"], indirect=True)


@pytest.fixture
def llm(caller: Caller, tmp_path: Path) -> Llm:
    """`llm("-m", "holdfast", "Hello")` is what the command prints; two small files are all it is told."""
    model = {"model_id": "holdfast", "model_name": "scripted/echo", "api_base": f"{caller.url}/v1"}
    model |= {"api_key_name": "holdfast", "supports_tools": True, "supports_schema": True, "vision": True}
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([model]))  # JSON is YAML
    (tmp_path / "keys.json").write_text(json.dumps({"holdfast": caller.key}))

    def run(*arguments: str) -> str:
        command = [str(Path(sys.executable).parent / "llm"), *arguments]
        environment = os.environ | {"LLM_USER_PATH": str(tmp_path), "LLM_LOAD_PLUGINS": ""}  # none of ours
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.mark.parametrize("how", [(), ("--no-stream",)])
def test_llm_asks_and_goes_on(llm: Llm, how: tuple[str, ...]) -> None:
    assert llm("-m", "holdfast", *how, "-s", "Be brief.", "Hello there") == "Hello there"
    assert llm("-c", *how, "And again") == "And again"


def test_llm_executes_what_the_model_calls(llm: Llm) -> None:
    version = llm("--version").rpartition(" ")[2]
    assert llm("-m", "holdfast", "-T", "llm_version", "!tool llm_version") == version


def test_llm_holds_a_reply_to_a_schema(llm: Llm) -> None:
    said = llm("-m", "holdfast", "--schema", "name, age int", '{"name": "Ada", "age": 36}')
    assert json.loads(said) == {"name": "Ada", "age": 36}


def test_each_question_is_a_reply_in_a_hidden_thread(llm: Llm, caller: Caller) -> None:
    llm("-m", "holdfast", "Hello")
    assert caller.api.get("/api/threads").json()["data"] == []
