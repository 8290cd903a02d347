"""A mutant: what it changes where, and which tests must fail because of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class DoesNotApply(Exception):
    """The text that a mutant changes is not there exactly once any more."""


@dataclass(frozen=True, slots=True)
class Edit:
    """In one file, replace text that stands there exactly once."""

    file: str
    old: str
    new: str

    def made_in(self, root: Path) -> str:
        """The file's text with the change. Raises DoesNotApply."""
        path = root / self.file
        text = path.read_text() if path.exists() else ""
        if self.old == self.new or text.count(self.old) != 1:
            raise DoesNotApply(f"{self.file} has {text.count(self.old)} times, not once: {self.old!r}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One broken promise. `tests` are pytest's arguments for those which should notice."""

    name: str
    breaks: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]

    def changed(self, root: Path) -> dict[Path, str]:
        """The text of each file it changes; no two edits share a file. Raises DoesNotApply."""
        return {root / edit.file: edit.made_in(root) for edit in self.edits}
