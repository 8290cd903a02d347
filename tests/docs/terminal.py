"""A terminal to paste what documents show into, beside a running copy."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.copy import ROOT
from tests.support.stack import Stack

DOCUMENTED = "http://127.0.0.1:8000"
_PASTED = "=== pasted ==="


@dataclass(frozen=True, slots=True)
class Terminal:
    """One bash, in the repository's folder; variables stay from one block to the next."""

    stack: Stack
    bash: subprocess.Popen[str]

    def paste(self, block: str) -> str:
        """Everything that is printed, errors included. The copy's address takes the place of the documented one."""
        assert self.bash.stdin is not None
        assert self.bash.stdout is not None
        self.bash.stdin.write(f"{block.replace(DOCUMENTED, self.stack.url)}\necho '{_PASTED}'\n")
        self.bash.stdin.flush()
        lines = list(iter(self.bash.stdout.readline, f"{_PASTED}\n"))
        assert self.bash.poll() is None, "the terminal was closed"
        return "".join(lines)

    def variable(self, name: str) -> str:
        """What an earlier block has set."""
        return self.paste(f'echo "${name}"').strip()


@contextmanager
def terminal(stack: Stack) -> Iterator[Terminal]:
    """A terminal that is closed at the end of the block."""
    with subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-s"],
        cwd=ROOT,
        env=stack.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as bash:
        try:
            yield Terminal(stack, bash)
        finally:
            bash.kill()
