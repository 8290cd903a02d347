"""The documents as values: their code blocks, links and tables; and a shell to paste into."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.copy import ROOT
from tests.support.stack import Stack

DOCUMENTS = sorted(path for pattern in ("*.md", "docs/**/*.md") for path in ROOT.glob(pattern))
DOCUMENTED_BASE = "BASE=http://127.0.0.1:8000"
_END = "=== end of the block ==="


def blocks(path: Path, language: str) -> list[str]:
    """The contents of the code blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def prose(path: Path) -> str:
    """The document without its code blocks."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """What links to the headings of a document end with."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@dataclass
class Session:
    """A terminal in which blocks are pasted one after the other, as a reader of the README would."""

    stack: Stack
    folder: Path
    pasted: list[str] = field(default_factory=list)

    def paste(self, block: str, seconds: float = 60) -> str:
        """What bash prints for `block` after all blocks before it; nothing may appear among the errors.

        The blocks before it run again, in a new shell: they are short, and a shell kept open would hide what only
        works once.
        """
        self.pasted.append(block.replace(DOCUMENTED_BASE, f"BASE={self.stack.url}"))
        script = f"\necho '{_END}'\n".join(self.pasted)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-s"],
            input=script,
            cwd=self.folder,
            env=self.stack.env,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.rpartition(_END)[2].strip()
