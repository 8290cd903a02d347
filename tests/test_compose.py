"""docker-compose.yml and the Procfile name things that exist; they are read, not run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from honcho.environ import parse_procfile

from app.config import Settings

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {"setup", "web", "worker", "beat", "flower"}
SETTINGS = {name.upper() for name in Settings.model_fields}
PROCFILE = dict(parse_procfile((ROOT / "Procfile").read_text()).processes)
COMMANDS = {f"Procfile {name}": command for name, command in PROCFILE.items()} | {
    f"compose {name}": SERVICES[name]["command"] for name in sorted(OURS)
}


def test_it_has_every_process_and_both_stores() -> None:
    assert set(SERVICES) == OURS | {"postgres", "redis"}
    assert OURS - {"setup"} | {"release", "valkey", "model"} == set(PROCFILE)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_each_command_starts_a_module_that_exists(command: str) -> None:
    words = shlex.split(command.removeprefix("nice "))
    assert words[:2] == ["python", "-m"]
    assert importlib.util.find_spec(words[2]) is not None
    for option, value in pairwise(words):
        if option == "--config":
            assert (ROOT / f"{value.removeprefix('python:').replace('.', '/')}.py").is_file()
        if option == "--app":
            assert importlib.util.find_spec(value) is not None


def test_it_passes_on_only_settings_that_are_read() -> None:
    named = set(re.findall(r"\$\{([A-Z_]+)", TEXT))
    assert named - SETTINGS == {"POSTGRES_PASSWORD"}
    for name in OURS:
        assert set(SERVICES[name]["environment"]) <= SETTINGS


def test_it_passes_on_every_provider() -> None:
    providers = {name for name in SETTINGS if name.endswith(("_API_KEY", "_BASE_URL"))} - {"LOCAL_BASE_URL"}
    assert providers <= set(SERVICES["worker"]["environment"])


def test_no_secret_has_a_default() -> None:
    secrets = {"POSTGRES_PASSWORD", "SECRET_KEY", "FLOWER_BASIC_AUTH"}
    assert set(re.findall(r"\$\{([A-Z_]+):\?", TEXT)) == secrets
    assert not [name for name in secrets if f"${{{name}:-" in TEXT]


def test_what_must_be_healthy_says_when_it_is() -> None:
    waited_for = {
        name
        for service in SERVICES.values()
        for name, wait in service.get("depends_on", {}).items()
        if wait["condition"] == "service_healthy"
    }
    assert waited_for == {"postgres", "redis"}
    assert all("healthcheck" in SERVICES[name] for name in set(SERVICES) - {"setup"})


def test_redis_keeps_its_queues() -> None:
    assert "--appendonly yes" in SERVICES["redis"]["command"]
    assert "noeviction" in SERVICES["redis"]["command"]


def test_ports_are_open_on_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
