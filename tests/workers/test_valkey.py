"""The Valkey that `make run` starts: on loopback, and it keeps what it was told."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from tests.support.copy import Copy, running_copy


@pytest.fixture
def procfile(tmp_path: Path) -> Path:
    path = tmp_path / "Procfile"
    path.write_text("valkey: python -m workers.valkey\n")
    return path


def client(copy: Copy) -> redis.Redis:
    copy.wait_for(r"started \(pid")
    variables = dict(line.split("=", 1) for line in (copy.data_dir / "runtime.env").read_text().split())
    patient = redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 100)
    return redis.Redis.from_url(variables["REDIS_URL"], decode_responses=True, retry=patient)


def test_it_keeps_across_a_restart_what_it_had_answered(tmp_path: Path, procfile: Path) -> None:
    with running_copy(tmp_path / "var", procfile) as copy, client(copy) as valkey:
        valkey.set("key", "kept")
        assert copy.stop() < 5
    with running_copy(tmp_path / "var", procfile) as copy, client(copy) as valkey:
        assert valkey.get("key") == "kept"


def test_it_listens_on_loopback_evicts_nothing_and_keeps_its_folder_private(tmp_path: Path, procfile: Path) -> None:
    with running_copy(tmp_path / "var", procfile) as copy, client(copy) as valkey:
        assert valkey.config_get("bind")["bind"] == "127.0.0.1"
        assert valkey.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert (copy.data_dir / "valkey").stat().st_mode & 0o077 == 0
