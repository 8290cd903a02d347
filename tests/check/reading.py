"""A folder of transcripts, and the check of it."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from tests.chat.acting import Acting
from tests.check.conftest import Check, Report
from tests.check.story import Story, Transcript


class Reading:
    """A folder of transcripts, and the check of it."""

    def __init__(self, folder: Path, check: Check, story: Story) -> None:
        self.folder = folder
        self._check = check
        self.story = story

    def thread(self, via: str = "sse", user_id: UUID | None = None) -> Transcript:
        """A client of the thread."""
        return Transcript(self.folder, user_id or self.story.user_id, via=via, id_=self.story.thread_id)

    def reply(self, of: Acting, via: str = "sse") -> Transcript:
        """A client of one reply."""
        return Transcript(self.folder, self.story.user_id, via=via, scope="message", id_=of.reply_id)

    def check(self, *options: object) -> Report:
        return self._check("--transcripts", self.folder, *options)


@pytest.fixture
def reading(tmp_path: Path, check: Check, story: Story) -> Reading:
    return Reading(tmp_path / "transcripts", check, story)
