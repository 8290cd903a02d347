"""The documents, and a copy of Holdfast that what they show can be pasted to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import sqlite_copy
from tests.docs.documents import ROOT, Session
from tests.provider import FakeProvider
from tests.support.stack import running_stack

# Forty words in two seconds: slow enough to be joined in the middle.
MODEL = "openai/fake-t40-r20"


@pytest.fixture(scope="module")
def pasted(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A shell beside a running copy whose model is served over HTTP."""
    folder = tmp_path_factory.mktemp("readme")
    with FakeProvider() as provider:
        settings = {"OPENAI_BASE_URL": provider.openai_url, "DEFAULT_MODEL": MODEL, "SCRIPTED": "0"}
        with running_stack(folder / "stack", sqlite_copy(migrated, folder), **settings) as stack:
            yield Session(stack, ROOT)
