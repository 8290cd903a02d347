"""Running tests in a copy of the project that a mutant may have changed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Mutant
from tests.support.copy import ROOT

NEEDED = ("app", "tasks", "workers", "migrations", "tests", "celeryconfig.py", "pyproject.toml")
_SECONDS = 300
# SQLite alone: the guards are the same. The seed makes every run of the machine the same one.
_ARGUMENTS = (
    "-q",
    "-x",
    "-k",
    "not postgresql",
    "--hypothesis-seed=0",
    "--show-capture=no",
    "-p",
    "no:cacheprovider",
    "--timeout=0",
)
_PASSED, _FAILED = 0, 1


class CannotRun(Exception):
    """The tests did not get as far as passing or failing."""


@dataclass(frozen=True, slots=True)
class Ran:
    """The first test that failed, if one did, and how long that took."""

    failed: str
    seconds: float


@contextmanager
def copied() -> Iterator[Path]:
    """A folder with what the tests need of the project; gone with the block."""
    with tempfile.TemporaryDirectory(prefix="holdfast-mutant-") as folder:
        for name in NEEDED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, Path(folder) / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, folder)
        yield Path(folder)


@contextmanager
def mutated(root: Path, mutant: Mutant) -> Iterator[None]:
    """Break the promise for the length of the block. Raises DoesNotApply."""
    changed = mutant.changed(root)
    kept = {path: path.read_text() for path in changed}
    try:
        for path, text in changed.items():
            path.write_text(text)
        yield
    finally:
        for path, text in kept.items():
            path.write_text(text)


def run(root: Path, tests: tuple[str, ...]) -> Ran:
    """Run the tests there until one fails. Raises CannotRun."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", *tests, *_ARGUMENTS, f"--basetemp={root / 'pytest'}"]
    # No bytecode: a file changed and changed back within a second could be taken for what it was.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HYPOTHESIS_"))}
    env |= {"MACHINE": "brief", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise CannotRun(f"{' '.join(tests)} took longer than {_SECONDS} s") from None
    return Ran(_failure(done), time.monotonic() - began)


def _failure(done: subprocess.CompletedProcess[str]) -> str:
    """The test that failed; an error before or after a test is none."""
    failed = re.search(r"^FAILED (?:\S*/)?(\S+)", done.stdout, re.MULTILINE)
    if done.returncode == _PASSED:
        return ""
    if done.returncode != _FAILED or failed is None:
        raise CannotRun((done.stdout + done.stderr)[-2000:])
    return failed[1]
