"""A copy of Holdfast and a terminal beside it, into which the README's session has been pasted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import sqlite_copy
from tests.docs.documents import README, blocks, section
from tests.docs.terminal import Terminal, terminal
from tests.provider import FakeProvider
from tests.support.stack import running_stack

# Forty words in two seconds: slow enough to be joined while it is written.
MODEL = "openai/fake-t40-r20"


@dataclass(frozen=True, slots=True)
class Pasted:
    """What each block of the README's session printed, in order."""

    terminal: Terminal
    registered: str
    posted: str
    polled: str
    streamed: str


@pytest.fixture(scope="module")
def pasted(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pasted]:
    folder = tmp_path_factory.mktemp("readme")
    database = sqlite_copy(migrated, folder)
    with (
        FakeProvider() as provider,
        running_stack(folder / "stack", database, OPENAI_BASE_URL=provider.openai_url, DEFAULT_MODEL=MODEL) as stack,
        terminal(stack) as bash,
    ):
        printed = [bash.paste(block) for block in blocks(section(README, "A session with curl"), "bash")]
        yield Pasted(bash, *printed)
