"""The documented settings are the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from dotenv import dotenv_values

from app.config import Settings
from workers.env_example import example

EXAMPLE = Path(__file__).parents[1] / ".env.example"


def test_the_example_is_what_the_settings_say() -> None:
    assert EXAMPLE.read_text() == example(), "run `make env-example`"


def test_the_example_with_every_line_uncommented_gives_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    uncommented = tmp_path / "env"
    settings = [line for line in EXAMPLE.read_text().splitlines() if line.startswith("#") and line[1:2].isupper()]
    uncommented.write_text("\n".join(line.removeprefix("#") for line in settings))
    assert set(dotenv_values(uncommented)) == {name.upper() for name in Settings.model_fields}
    assert Settings(_env_file=uncommented) == Settings(_env_file=None)
