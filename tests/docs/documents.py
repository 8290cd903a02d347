"""The documents as values: their code blocks, headings and words."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.support.copy import ROOT

README = ROOT / "README.md"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
DOCUMENTS = sorted(path for pattern in ("*.md", "docs/**/*.md") for path in ROOT.glob(pattern))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name(path: Path) -> str:
    """The document's path in the repository: what a failing test is called by."""
    return str(path.relative_to(ROOT))


def blocks(text: str, language: str = "") -> list[str]:
    """The contents of the code blocks of one language, or of those without one."""
    return [body for found, body in _FENCE.findall(text) if found == language]


def prose(path: Path) -> str:
    """The document without its code blocks."""
    return _FENCE.sub("", path.read_text())


def section(path: Path, heading: str) -> str:
    """What stands below one heading of the second level."""
    [_, rest] = path.read_text().split(f"\n## {heading}\n")
    return rest.partition("\n## ")[0]


def ticked(path: Path) -> list[str]:
    """What the prose has between backticks."""
    return re.findall(r"`([^`\n]+)`", prose(path))


def anchors(path: Path) -> set[str]:
    """What a link to a heading of the document ends with."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def repository() -> list[Path]:
    """Every file of the repository that is text, also those not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = [ROOT / file for file in listed.stdout.split("\0") if file]
    return [path for path in files if path.is_file() and b"\0" not in path.read_bytes()]
